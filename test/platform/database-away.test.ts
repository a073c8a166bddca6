import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/db/embedded.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { newId } from '../../src/platform/ids.ts'
import type { Api, ApiResponse } from '../helpers/api.ts'
import { CONSENTS, expectRefusal, type Family, makeFamily, PASSWORD, startConversation, takeTurn } from '../helpers/family.ts'
import { type GatedTutor, gatedTutor } from '../helpers/gated-tutor.ts'
import { relieved, turnOfTheLoop } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openTcpProxy, type TcpProxy, throughPort } from '../helpers/tcp-proxy.ts'

/** Section 8 and a time to come back. */
function expectUnavailable(response: ApiResponse): void {
  expectRefusal(response, 503, 'SERVICE_UNAVAILABLE')
  expect(response.body.error.message).toBe('Service temporarily unavailable')
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
  expect(response.body.error.retry_after).toBe(Number(response.headers['retry-after']))
}

/** One request of every way to the database: pool, Prisma, transaction, with a key, of a child. */
function everyWay(api: Api, family: Family, conversation: string): Promise<ApiResponse>[] {
  const child = { token: family.token, child: family.childId }
  const registration = { email: `${newId()}@example.com`, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents: CONSENTS }
  return [
    api.get('/v1/parents/me', { token: family.token }),
    api.patch('/v1/parents/me', { token: family.token, body: { display_name: 'Alex P.' } }),
    api.get(`/v1/children/${family.childId}`, { token: family.token }),
    api.get('/v1/constellation', child),
    api.get(`/v1/conversations/${conversation}/messages`, child),
    api.post(`/v1/conversations/${conversation}/messages`, { ...child, body: { choice_index: 0 }, key: newId() }),
    api.post('/v1/conversations', { ...child, body: { topic_id: '770e8400-e29b-41d4-a716-446655440001' }, key: newId() }),
    api.post('/v1/auth/login', { body: { email: family.email, password: PASSWORD } }),
    api.post('/v1/auth/register', { body: registration, key: newId() }),
    api.post('/v1/auth/refresh', { body: { refresh_token: family.refreshToken } }),
  ]
}

/** Asks until /readyz says so; each question is a round trip to PostgreSQL. */
async function becomeReady(api: Api, wanted: readonly string[] = ['ready', 'degraded']): Promise<void> {
  while (!wanted.includes((await api.get('/readyz')).body.status)) await turnOfTheLoop()
}

describe('while PostgreSQL is away', () => {
  let directory: string
  let postgres: EmbeddedPostgres
  let proxy: TcpProxy
  let server: TestServer
  let family: Family
  let conversation: string

  const start = () => startEmbeddedPostgres({ dataDir: directory, database: 'away', ephemeral: true })
  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'brainspark-away-'))
    postgres = await start()
    await migrate(postgres.url, 'prisma/migrations')
    proxy = await openTcpProxy(postgres.port)
    server = await startTestServer({ databaseUrl: throughPort(postgres.url, proxy.port) })
    await relieved(server.app)
    family = await makeFamily(server.api)
    conversation = await startConversation(server.api, family)
  })
  afterAll(async () => {
    await server?.close()
    await proxy?.close()
    await postgres?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function expectAway(): Promise<void> {
    const { api } = server
    for (const response of await Promise.all(everyWay(api, family, conversation))) expectUnavailable(response)
    const ready = await api.get('/readyz')
    expect([ready.status, ready.body.status, ready.body.checks.postgres]).toEqual([503, 'unavailable', 'failed'])
    expect((await api.get('/livez')).body).toEqual({ status: 'ok' })
    expect((await api.get('/metrics')).status).toBe(200)
    expectRefusal(await api.get('/v1/parents/me'), 401, 'UNAUTHORIZED')
    expectRefusal(await api.post('/v1/auth/login', { body: {} }), 400, 'VALIDATION_ERROR', 'email')
  }

  async function expectBack(): Promise<void> {
    const { api } = server
    await becomeReady(api)
    const answers = await Promise.all(everyWay(api, family, conversation))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 201, 201, 200, 201, 200])
  }

  it('answers 503 with Retry-After when it was stopped, and works when it runs again on another port', async () => {
    await postgres.stop()
    await expectAway()
    postgres = await start()
    proxy.leadTo(postgres.port)
    await expectBack()
  })

  it('answers 503 with Retry-After when connections are refused, and works when they are accepted again', async () => {
    await proxy.cut()
    await expectAway()
    await proxy.mend()
    await expectBack()
  })

  it('speaks to the child in its own words meanwhile', async () => {
    await proxy.cut()
    const refused = await takeTurn(server.api, family, conversation)
    expectUnavailable(refused)
    expect(refused.body.error).toMatchObject({ child_message: 'BrainSpark is taking a tiny nap. Try again in a moment!', child_animation: 'sleepy_mascot' })
    const toParent = await server.api.get('/v1/parents/me', { token: family.token })
    expectUnavailable(toParent)
    expect(toParent.body.error).not.toHaveProperty('child_message')
    await proxy.mend()
    await becomeReady(server.api)
  })

  it('survives the end of every connection by an administrator', async () => {
    const { deps, api } = server
    await deps.db.prisma.$queryRaw`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
    await expectBack()
    expect((await api.get('/livez')).status).toBe(200)
  })

  it('is ready, not degraded, once it hears of revoked sessions again', async () => {
    await proxy.cut()
    await proxy.mend()
    await becomeReady(server.api, ['ready'])
    const { token } = await makeFamily(server.api)
    expect((await server.api.post('/v1/auth/logout', { token })).status).toBe(204)
    expectRefusal(await server.api.get('/v1/parents/me', { token }), 401, 'UNAUTHORIZED')
  })
})

describe('when PostgreSQL goes away in the middle of a turn', () => {
  let tutor: GatedTutor
  let proxy: TcpProxy
  let server: TestServer
  let direct: TestServer
  beforeAll(async () => {
    direct = await startTestServer()
    proxy = await openTcpProxy(Number(new URL(direct.databaseUrl).port))
    tutor = gatedTutor()
    server = await startTestServer({ tutor, databaseUrl: throughPort(direct.databaseUrl, proxy.port), dataDir: direct.dataDir })
    await relieved(server.app)
  })
  afterAll(async () => {
    await server?.close()
    await proxy?.close()
    await direct?.close()
  })

  it('answers 503, keeps the message of the child, and the same request carries the turn out once it is back', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const key = newId()
    const turn = takeTurn(server.api, family, conversation, 'Why do stars twinkle?', key)
    await tutor.asked(1)
    await proxy.cut()
    tutor.open()
    expectUnavailable(await turn)

    await proxy.mend()
    await becomeReady(server.api)
    server.clock.advance(15_001)
    const resumed = await takeTurn(server.api, family, conversation, 'Why do stars twinkle?', key)
    expect(resumed.status, resumed.text).toBe(201)
    const messages = await direct.deps.db.prisma.message.findMany({ where: { conversationId: conversation }, orderBy: { seq: 'asc' } })
    expect(messages.map(({ role, content }) => [role, content]).slice(1)).toEqual([
      ['user', 'Why do stars twinkle?'],
      ['assistant', resumed.body.data.assistant_message.content],
    ])
  })
})
