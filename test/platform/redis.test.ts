import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, inject, it } from 'vitest'
import type { Api } from '../helpers/api.ts'
import { expectRefusal, makeFamily, registerParent } from '../helpers/family.ts'
import { relieved, until } from '../helpers/pressure.ts'
import { startRedis } from '../helpers/redis.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openTcpProxy, throughPort } from '../helpers/tcp-proxy.ts'

const redisUrl = inject('redisUrl')
const servers: TestServer[] = []
afterAll(async () => {
  for (const server of servers.reverse()) await server.close()
})

/** Two instances on one PostgreSQL, with one set of keys, and one Redis. */
async function startPair(url: string): Promise<[TestServer, TestServer]> {
  const env = { RATE_LIMIT_MULTIPLIER: '1', REDIS_URL: url }
  const first = await startTestServer({ env })
  servers.push(first)
  const second = await startTestServer({ env, databaseUrl: first.databaseUrl, dataDir: first.dataDir })
  servers.push(second)
  for (const server of [first, second]) {
    await redisIs('ready', server)
    await relieved(server.app)
  }
  return [first, second]
}

/** Resolves when the server's connection to Redis is up, or is down. */
async function redisIs(state: 'ready' | 'close', { deps }: TestServer): Promise<void> {
  const redis = deps.redis
  if (!redis || (redis.status === 'ready') === (state === 'ready')) return
  await new Promise((resolve) => redis.once(state, resolve))
}

const askMe = (api: Api, token: string) => api.get('/v1/parents/me', { token })

describe('two instances on one Redis', () => {
  it.skipIf(!redisUrl)('share one count of an account and of a child', async () => {
    const [first, second] = await startPair(redisUrl)
    const family = await makeFamily(first.api)
    const left = async (api: Api) => Number((await askMe(api, family.token)).headers['x-ratelimit-remaining'])
    expect(await left(first.api)).toBe(98)
    expect(await left(second.api)).toBe(97)
    const answers = await Promise.all(Array.from({ length: 97 }, (_, turn) => askMe(turn % 2 ? first.api : second.api, family.token)))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    for (const { api } of [first, second]) {
      const refused = await askMe(api, family.token)
      expectRefusal(refused, 429, 'RATE_LIMITED')
      expect(refused.body.error.retry_after).toBeGreaterThan(0)
      expect(refused.body.error.retry_after).toBeLessThanOrEqual(60)
    }
    const child = { token: family.token, child: family.childId }
    expect((await first.api.get('/v1/constellation', child)).headers['x-ratelimit-remaining']).toBe('99')
    expect((await second.api.get('/v1/constellation', child)).headers['x-ratelimit-remaining']).toBe('98')
  })

  // Attack: five guesses of a password at each instance instead of five in all.
  it.skipIf(!redisUrl)('share one count of authentication', async () => {
    const [first, second] = await startPair(redisUrl)
    const { email } = await registerParent(first.api)
    const guess = (api: Api) => api.post('/v1/auth/login', { ip: '203.0.113.20', body: { email, password: 'Not-The-Password-1' } })
    const statuses: number[] = []
    for (let turn = 0; turn < 6; turn += 1) statuses.push((await guess(turn % 2 ? first.api : second.api)).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
  })

  it.skipIf(!redisUrl)('count each for itself while Redis is away, say so, and share again when it is back', async () => {
    const proxy = await openTcpProxy(Number(new URL(redisUrl).port))
    const [first, second] = await startPair(throughPort(redisUrl, proxy.port))
    const { token } = await registerParent(first.api)
    expect((await askMe(first.api, token)).headers['x-ratelimit-remaining']).toBe('99')

    await proxy.cut()
    for (const server of [first, second]) {
      const { api } = server
      await redisIs('close', server)
      const alone = await askMe(api, token)
      expect([alone.status, alone.headers['x-ratelimit-remaining']]).toEqual([200, '99'])
      const ready = await api.get('/readyz')
      expect([ready.status, ready.body]).toEqual([
        200,
        { status: 'degraded', checks: { postgres: 'ok', revocations: 'ok', redis: 'failed', live_events: 'failed' } },
      ])
    }

    await proxy.mend()
    for (const server of [first, second]) {
      await redisIs('ready', server)
      await until(async () => (await server.api.get('/readyz')).body.status === 'ready')
    }
    expect((await askMe(first.api, token)).headers['x-ratelimit-remaining']).toBe('98')
    expect((await askMe(second.api, token)).headers['x-ratelimit-remaining']).toBe('97')
    for (const server of servers.splice(-2).reverse()) await server.close()
    await proxy.close()
  })

  it.skipIf(!redisUrl)('go on when Redis is stopped for good', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'brainspark-redis-'))
    const redis = await startRedis(directory)
    const [first, second] = await startPair(redis.url)
    const { token } = await registerParent(first.api)
    await redis.stop()
    rmSync(directory, { recursive: true, force: true })
    await redisIs('close', first)
    expect((await first.api.get('/readyz')).body.status).toBe('degraded')
    const answers = await Promise.all(Array.from({ length: 101 }, () => askMe(first.api, token)))
    expect(answers.filter(({ status }) => status === 429).length).toBe(1)
    expect((await askMe(second.api, token)).headers['x-ratelimit-remaining']).toBe('99')
    expect((await first.api.get('/livez')).status).toBe(200)
  })
})

it('starts and serves with a Redis that is not there', async () => {
  const server = await startTestServer({ env: { REDIS_URL: 'redis://127.0.0.1:1', RATE_LIMIT_MULTIPLIER: '1' } })
  servers.push(server)
  const { token } = await registerParent(server.api)
  expect((await askMe(server.api, token)).headers['x-ratelimit-remaining']).toBe('99')
  const ready = await server.api.get('/readyz')
  expect([ready.status, ready.body.status, ready.body.checks]).toEqual([
    200,
    'degraded',
    { postgres: 'ok', revocations: 'ok', redis: 'failed', live_events: 'failed' },
  ])
})
