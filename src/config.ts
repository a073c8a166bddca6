import { isIP } from 'node:net'
import { z } from 'zod'

const Flag = z.enum(['true', 'false']).transform((value) => value === 'true')
const List = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)
const Url = (...protocols: string[]) =>
  z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), `must be a URL starting with ${protocols.join(' or ')}`)
const Pem = z
  .string()
  .transform((value) => value.replaceAll('\\n', '\n'))
  .refine((value) => value.includes('PRIVATE KEY'), 'must be a private key in PEM form')
const EncryptionKeys = List.pipe(z.array(z.string().refine((key) => Buffer.from(key, 'base64').length === 32, 'each key must be 32 bytes in base64')).min(1))

const NAMED_RANGES = ['loopback', 'linklocal', 'uniquelocal']
const isProxy = (entry: string): boolean => NAMED_RANGES.includes(entry) || isIP(entry.replace(/\/\d{1,3}$/, '')) !== 0
const ProxyList = z
  .string()
  .refine((value) => value.split(',').every((entry) => isProxy(entry.trim())), 'must be true, false, a number of proxies, or addresses of proxies')

const Environment = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65535).default(3000),
  DATA_DIR: z.string().min(1).default('./data'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  PUBLIC_URL: Url('http:', 'https:').optional(),
  DATABASE_URL: Url('postgres:', 'postgresql:').optional(),
  DATABASE_POOL: z.coerce.number().int().min(1).max(200).default(10),
  REDIS_URL: Url('redis:', 'rediss:').optional(),
  SMTP_URL: Url('smtp:', 'smtps:').optional(),
  MAIL_FROM: z.string().min(3).default('BrainSpark <hello@brainspark.app>'),
  SAFEGUARDING_EMAIL: z.email('must be an e-mail address').optional(),
  JWT_PRIVATE_KEY: Pem.optional(),
  ENCRYPTION_KEYS: EncryptionKeys.optional(),
  GOOGLE_CLIENT_ID: List.optional(),
  GOOGLE_ISSUER: z.string().default('https://accounts.google.com'),
  GOOGLE_JWKS_URL: Url('http:', 'https:').default('https://www.googleapis.com/oauth2/v3/certs'),
  APPLE_CLIENT_ID: List.optional(),
  APPLE_ISSUER: z.string().default('https://appleid.apple.com'),
  APPLE_JWKS_URL: Url('http:', 'https:').default('https://appleid.apple.com/auth/keys'),
  RATE_LIMIT_MULTIPLIER: z.coerce.number().positive().default(1),
  TUTOR_PACE_MS: z.coerce.number().int().min(0).max(10_000).default(0),
  OPENAI_API_KEY: z
    .string()
    .trim()
    .regex(/^[!-~]+$/, 'must be one word of ASCII')
    .optional(),
  OPENAI_BASE_URL: Url('http:', 'https:').default('https://api.openai.com/v1'),
  TUTOR_MODEL: z.string().trim().max(100).default('gpt-5.4-mini'),
  MODERATION_MODEL: z.string().trim().max(100).optional(),
  TUTOR_TOKENS_PER_CHILD_DAY: z.coerce.number().int().min(0).default(60_000),
  TUTOR_TOKENS_PER_DAY: z.coerce.number().int().min(0).default(2_000_000),
  TRUST_PROXY: z.union([Flag, z.coerce.number().int().min(1), ProxyList]).default(false),
  CORS_ORIGINS: List.default([]),
})

export interface OauthProviderConfig {
  /** Accepted audiences; empty when the provider is not configured. */
  readonly clientIds: readonly string[]
  readonly issuer: string
  readonly jwksUrl: string
}

export interface LanguageModelConfig {
  readonly apiKey: string
  readonly baseUrl: string
  readonly model: string
  /** Judges what a child says and what the model replies, besides our own rules; undefined: our own rules alone. */
  readonly moderationModel: string | undefined
  /** What a child may use on its local day. */
  readonly tokensPerChildDay: number
  /** What all children of this process may use in a UTC day. */
  readonly tokensPerDay: number
}

export interface Config {
  readonly production: boolean
  readonly host: string
  readonly port: number
  readonly dataDir: string
  readonly logLevel: string
  /** Where links in mails point to. */
  readonly publicUrl: string
  readonly database: { readonly url: string | undefined; readonly poolSize: number }
  readonly redisUrl: string | undefined
  readonly mail: { readonly smtpUrl: string | undefined; readonly from: string }
  /** Who is told of disclosures that point at a caregiver. */
  readonly safeguardingEmail: string | undefined
  readonly keys: { readonly jwtPrivateKey: string | undefined; readonly encryptionKeys: readonly string[] | undefined }
  readonly oauth: Readonly<Record<'google' | 'apple', OauthProviderConfig>>
  readonly rateLimitMultiplier: number
  /** Pause between the sentences of a builtin reply. */
  readonly tutorPaceMs: number
  /** Undefined: the builtin tutor alone. */
  readonly languageModel: LanguageModelConfig | undefined
  readonly trustProxy: boolean | number | string
  readonly corsOrigins: readonly string[]
}

/** Every fault of the environment in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

/** Reads the environment; empty variables count as unset. Throws ConfigError naming every faulty variable, never its value. */
export function loadConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''))
  const parsed = Environment.safeParse(present)
  const faults = parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path[0]?.toString()}: ${issue.message}`)
  if (present.NODE_ENV === 'production') {
    for (const name of ['JWT_PRIVATE_KEY', 'ENCRYPTION_KEYS']) {
      if (!present[name]) faults.push(`${name}: is required when NODE_ENV is production`)
    }
  }
  if (present.MODERATION_MODEL && !present.OPENAI_API_KEY) faults.push('MODERATION_MODEL: judges nothing without OPENAI_API_KEY')
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults)
  const env = parsed.data
  return {
    production: env.NODE_ENV === 'production',
    host: env.HOST,
    port: env.PORT,
    dataDir: env.DATA_DIR,
    logLevel: env.LOG_LEVEL,
    publicUrl: (env.PUBLIC_URL ?? `http://${env.HOST}:${env.PORT}`).replace(/\/$/, ''),
    database: { url: env.DATABASE_URL, poolSize: env.DATABASE_POOL },
    redisUrl: env.REDIS_URL,
    mail: { smtpUrl: env.SMTP_URL, from: env.MAIL_FROM },
    safeguardingEmail: env.SAFEGUARDING_EMAIL,
    keys: { jwtPrivateKey: env.JWT_PRIVATE_KEY, encryptionKeys: env.ENCRYPTION_KEYS },
    oauth: {
      google: { clientIds: env.GOOGLE_CLIENT_ID ?? [], issuer: env.GOOGLE_ISSUER, jwksUrl: env.GOOGLE_JWKS_URL },
      apple: { clientIds: env.APPLE_CLIENT_ID ?? [], issuer: env.APPLE_ISSUER, jwksUrl: env.APPLE_JWKS_URL },
    },
    rateLimitMultiplier: env.RATE_LIMIT_MULTIPLIER,
    tutorPaceMs: env.TUTOR_PACE_MS,
    languageModel:
      env.OPENAI_API_KEY === undefined
        ? undefined
        : {
            apiKey: env.OPENAI_API_KEY,
            baseUrl: env.OPENAI_BASE_URL,
            model: env.TUTOR_MODEL,
            moderationModel: env.MODERATION_MODEL,
            tokensPerChildDay: env.TUTOR_TOKENS_PER_CHILD_DAY,
            tokensPerDay: env.TUTOR_TOKENS_PER_DAY,
          },
    trustProxy: env.TRUST_PROXY,
    corsOrigins: env.CORS_ORIGINS,
  }
}
