import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config.ts'

const KEYS = {
  JWT_PRIVATE_KEY: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
}

function faultsOf(environment: Readonly<Record<string, string | undefined>>): ConfigError {
  try {
    loadConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}
const namesIn = ({ faults }: ConfigError) => [...new Set(faults.map((fault) => fault.split(':')[0]))].sort()

describe('configuration', () => {
  it('needs nothing: every variable has a default, on the loopback alone', () => {
    const config = loadConfig({})
    expect(config).toMatchObject({
      production: false,
      host: '127.0.0.1',
      port: 3000,
      dataDir: './data',
      logLevel: 'info',
      publicUrl: 'http://127.0.0.1:3000',
      database: { url: undefined, poolSize: 10 },
      redisUrl: undefined,
      rateLimitMultiplier: 1,
      tutorPaceMs: 0,
      languageModel: undefined,
      trustProxy: false,
      corsOrigins: [],
    })
    expect(config.oauth.google.clientIds).toEqual([])
    expect(config.oauth.apple.clientIds).toEqual([])
  })

  it('counts empty variables as unset', () => {
    const names = [
      'NODE_ENV',
      'PORT',
      'HOST',
      'DATABASE_URL',
      'REDIS_URL',
      'SMTP_URL',
      'SAFEGUARDING_EMAIL',
      'JWT_PRIVATE_KEY',
      'ENCRYPTION_KEYS',
      'GOOGLE_CLIENT_ID',
      'OPENAI_API_KEY',
      'OPENAI_BASE_URL',
      'TUTOR_MODEL',
      'MODERATION_MODEL',
      'TUTOR_TOKENS_PER_CHILD_DAY',
      'CORS_ORIGINS',
    ]
    expect(loadConfig(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(loadConfig({}))
    expect(loadConfig(Object.fromEntries(names.map((name) => [name, ' \n'])))).toEqual(loadConfig({}))
  })

  it('reads what is set', () => {
    const config = loadConfig({
      ...KEYS,
      NODE_ENV: 'production',
      HOST: '0.0.0.0',
      PORT: '0',
      DATABASE_URL: 'postgresql://u:p@db/brainspark',
      REDIS_URL: 'rediss://cache',
      PUBLIC_URL: 'https://api.brainspark.app/',
      GOOGLE_CLIENT_ID: 'one, two,',
      TRUST_PROXY: '2',
      CORS_ORIGINS: 'https://app.brainspark.app',
      RATE_LIMIT_MULTIPLIER: '0.5',
      SAFEGUARDING_EMAIL: 'officer@example.com',
    })
    expect(config).toMatchObject({
      production: true,
      port: 0,
      publicUrl: 'https://api.brainspark.app',
      trustProxy: 2,
      corsOrigins: ['https://app.brainspark.app'],
      rateLimitMultiplier: 0.5,
      safeguardingEmail: 'officer@example.com',
    })
    expect(config.oauth.google.clientIds).toEqual(['one', 'two'])
  })

  it('has a language model as soon as there is a key', () => {
    const defaults = { apiKey: 'sk-1', baseUrl: 'https://api.openai.com/v1', model: 'gpt-5.4-mini', tokensPerChildDay: 60_000, tokensPerDay: 2_000_000 }
    expect(loadConfig({ OPENAI_API_KEY: ' sk-1\n' }).languageModel).toEqual(defaults)
    expect(loadConfig({ OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1', TUTOR_MODEL: 'llama' }).languageModel).toBeUndefined()
    const set = {
      OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1',
      TUTOR_MODEL: 'llama',
      MODERATION_MODEL: 'guard',
      TUTOR_TOKENS_PER_CHILD_DAY: '0',
      TUTOR_TOKENS_PER_DAY: '5',
    }
    expect(loadConfig({ OPENAI_API_KEY: 'sk-1', ...set }).languageModel).toEqual({
      apiKey: 'sk-1',
      baseUrl: 'http://127.0.0.1:11434/v1',
      model: 'llama',
      moderationModel: 'guard',
      tokensPerChildDay: 0,
      tokensPerDay: 5,
    })
  })

  // An operator who asked for a second judge would believe that there is one.
  it('has no moderation by a provider without a key', () => {
    expect(faultsOf({ MODERATION_MODEL: 'guard' }).faults).toEqual(['MODERATION_MODEL: judges nothing without OPENAI_API_KEY'])
  })

  it('reads a private key whose lines were joined with \\n', () => {
    expect(loadConfig({ JWT_PRIVATE_KEY: KEYS.JWT_PRIVATE_KEY.replaceAll('\n', '\\n') }).keys.jwtPrivateKey).toBe(KEYS.JWT_PRIVATE_KEY)
  })

  // Attack: whoever reads the log of a start that failed reads the secrets in it.
  it('reports every fault together, by name and without a value', () => {
    const secret = 'hunter2-secret'
    const bad = {
      NODE_ENV: `staging-${secret}`,
      PORT: `70000${secret}`,
      LOG_LEVEL: secret,
      DATABASE_URL: `mysql://root:${secret}@db`,
      DATABASE_POOL: '0',
      REDIS_URL: secret,
      SMTP_URL: `http://${secret}`,
      PUBLIC_URL: secret,
      JWT_PRIVATE_KEY: secret,
      ENCRYPTION_KEYS: `${secret},${KEYS.ENCRYPTION_KEYS}`,
      RATE_LIMIT_MULTIPLIER: '-1',
      TUTOR_PACE_MS: secret,
      SAFEGUARDING_EMAIL: secret,
      OPENAI_API_KEY: `${secret} and more`,
      OPENAI_BASE_URL: secret,
      TUTOR_TOKENS_PER_DAY: secret,
    }
    const error = faultsOf(bad)
    expect(namesIn(error)).toEqual(Object.keys(bad).sort())
    for (const name of Object.keys(bad)) expect(error.message).toContain(name)
    expect(error.message).not.toContain(secret)
    expect(error.message).not.toContain(KEYS.ENCRYPTION_KEYS)
  })

  it.each([
    ['PORT', '65536'],
    ['PORT', '1.5'],
    ['PORT', '-1'],
    ['DATABASE_POOL', '201'],
    ['RATE_LIMIT_MULTIPLIER', '0'],
    ['RATE_LIMIT_MULTIPLIER', 'NaN'],
    ['TUTOR_PACE_MS', '10001'],
    ['TRUST_PROXY', '0'],
    ['TRUST_PROXY', 'yes'],
    ['DATABASE_URL', 'localhost:5432'],
    ['ENCRYPTION_KEYS', randomBytes(16).toString('base64')],
    ['ENCRYPTION_KEYS', ','],
    ['PUBLIC_URL', 'ftp://example.com'],
  ])('refuses %s=%s', (name, value) => {
    expect(namesIn(faultsOf({ [name]: value }))).toEqual([name])
  })

  it('refuses production without keys, naming both, along with every other fault', () => {
    expect(namesIn(faultsOf({ NODE_ENV: 'production' }))).toEqual(['ENCRYPTION_KEYS', 'JWT_PRIVATE_KEY'])
    expect(namesIn(faultsOf({ NODE_ENV: 'production', PORT: 'x', ENCRYPTION_KEYS: KEYS.ENCRYPTION_KEYS }))).toEqual(['JWT_PRIVATE_KEY', 'PORT'])
    expect(namesIn(faultsOf({ NODE_ENV: 'production', JWT_PRIVATE_KEY: ' ', ENCRYPTION_KEYS: '' }))).toEqual(['ENCRYPTION_KEYS', 'JWT_PRIVATE_KEY'])
    expect(loadConfig({ NODE_ENV: 'production', ...KEYS }).production).toBe(true)
  })

  it('ignores the variables of other programs', () => {
    expect(loadConfig({ HOME: '/root', SOMETHING_ELSE: 'x' })).toEqual(loadConfig({}))
  })
})
