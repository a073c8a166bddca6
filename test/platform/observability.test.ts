import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { newId } from '../../src/platform/ids.ts'
import { CANARY, expectNoLeak, marksIn, registerCanary } from '../helpers/canary.ts'
import { CONSENTS, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { gatedTutor } from '../helpers/gated-tutor.ts'
import { relieved, turnOfTheLoop } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket, openSocket } from '../helpers/socket.ts'
import { openTcpProxy, throughPort } from '../helpers/tcp-proxy.ts'

// Attack: logs and metrics are read by people and machines that must never know a child's name or words.
describe('names, addresses, passwords and words of children', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ env: { LOG_LEVEL: 'trace' } })
    await relieved(server.app)
  })
  afterAll(() => server.close())

  it('stay out of logs and metrics while everything goes well', async () => {
    const { api } = server
    const family = await registerCanary(server)
    const as = { token: family.token, child: family.childId }
    const conversation = await startConversation(api, family)
    expect((await takeTurn(api, family, conversation, CANARY.message, CANARY.key)).status).toBe(201)
    expect((await api.get(`/v1/conversations/${conversation}/messages`, as)).text).toContain(CANARY.message)
    expect((await api.post(`/v1/conversations/${conversation}/end`, as)).status).toBe(200)
    expect((await api.get('/v1/parents/me', { token: family.token })).text).toContain(CANARY.child)
    expect((await api.post(`/v1/children/${family.childId}/activate`, { token: family.token, body: { pin: CANARY.pin } })).status).toBe(200)
    expect((await api.post('/v1/auth/login', { body: { email: family.email, password: CANARY.password } })).status).toBe(200)
    expect((await api.post('/v1/auth/password/forgot', { body: { email: family.email } })).status).toBe(202)
    expectNoLeak(server, await api.get('/metrics'))
  })

  it('stay out of logs, metrics and refusals when they come in the wrong place', async () => {
    const { api } = server
    const family = await registerCanary(server)
    const as = { token: family.token, child: family.childId }
    const { email, message, child, password } = { ...CANARY, email: family.email }
    const encoded = encodeURIComponent(message)
    const refusals = [
      await api.post('/v1/auth/login', { body: { email, password: `${password}-wrong` } }),
      await api.post('/v1/auth/register', { body: { email, password, display_name: CANARY.displayName, timezone: 'UTC', consents: CONSENTS } }),
      await api.post('/v1/auth/register', { body: { email: `${email} `, password, display_name: { name: child }, timezone: child, consents: message } }),
      await api.post('/v1/auth/login', { body: `{"email":"${email}","password":"${password}",}` }),
      await api.post('/v1/auth/login', { body: `email=${email}&password=${password}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
      await api.post('/v1/auth/login', { body: message, headers: { 'content-type': message } }),
      await api.get(`/v1/auth/login?email=${email}&password=${password}`),
      await api.get(`/v1/topics?category=${encoded}`, as),
      await api.get(`/v1/topics?age_group=${encoded}`, as),
      await api.get(`/v1/topics/${encoded}`, as),
      await api.get(`/v1/children/${child}`, as),
      await api.get(`/v1/${encoded}`, as),
      await api.get(`/${child}/${encoded}?name=${child}`),
      await api.get(`/v1/auth/email/verify?token=${encoded}`),
      await api.get('/v1/constellation', { token: family.token, child }),
      await api.get('/v1/constellation', { token: `${child}.${password}.x` }),
      await api.get('/v1/constellation', { headers: { authorization: `Basic ${password}` } }),
      await api.post('/v1/conversations', { ...as, body: { topic_id: message } }),
      await api.post('/v1/conversations', { ...as, body: { topic_id: TOPIC.space, conversation_type: message } }),
      await api.post('/v1/conversations', { ...as, key: `${message} `, body: { topic_id: TOPIC.space } }),
      await api.post('/v1/children', { token: family.token, body: { name: child.repeat(9), birth_date: message, avatar_id: { a: child } } }),
      await api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { name: [child], settings: { bedtime_start: message } } }),
      await api.patch('/v1/parents/me', { token: family.token, body: { timezone: message } }),
      await api.post(`/v1/conversations/${newId()}/messages`, { ...as, body: { content: message, is_free_form: child } }),
      await api.post(`/v1/conversations/${newId()}/messages`, { ...as, body: { content: message } }),
      await api.post('/v1/auth/refresh', { body: { refresh_token: message } }),
      await api.post('/v1/auth/oauth/google', { body: { id_token: message } }),
      await api.post(`/v1/auth/oauth/${child}`, { body: { id_token: message } }),
      await api.post('/v1/auth/password', { token: family.token, body: { current_password: `${password}!`, new_password: 'password1' } }),
    ]
    expect(refusals.filter(({ status }) => status < 400 || status >= 500).map(({ status, text }) => [status, text])).toEqual([])
    expectNoLeak(server, await api.get('/metrics'), refusals)
  })

  it('stay out of logs, metrics and refusals when the path cannot be decoded', async () => {
    const { api } = server
    const refusals = [await api.get(`/v1/children/${CANARY.child}%`), await api.get(`/v1/topics/${CANARY.child.repeat(10)}`)]
    expect(refusals.filter(({ status }) => status < 400 || status >= 500)).toEqual([])
    expectNoLeak(server, await api.get('/metrics'), refusals)
  })

  it('stay out of logs and close reasons when they come through the socket', async () => {
    const family = await registerCanary(server)
    const conversation = await startConversation(server.api, family)
    const address = await server.listen()
    const socket = await openChildSocket(address, family.token, family.childId)
    socket.send({ type: 'message', conversation_id: conversation, content: CANARY.message })
    await socket.waitFor('message_result')
    socket.send({ type: 'message', conversation_id: conversation, content: [CANARY.message], is_free_form: CANARY.child, idempotency_key: { a: CANARY.key } })
    const refused = await socket.waitFor('error')
    expect(marksIn(JSON.stringify(refused))).toEqual([])
    const reasons: string[] = []
    for (const frame of [CANARY.message, `{"type":"${CANARY.child}"}`, { type: 'auth', token: CANARY.message, child_id: family.childId }]) {
      const rude = await openSocket(address)
      rude.raw.once('close', (_code, reason) => reasons.push(String(reason)))
      rude.send(frame)
      await rude.closed
    }
    const refusedUpgrade = new WebSocket(`${address.replace('http', 'ws')}/v1/${CANARY.child}`)
    await new Promise((resolve) => refusedUpgrade.once('error', resolve))
    expect(reasons.length).toBe(3)
    expect(reasons.flatMap(marksIn)).toEqual([])
    expectNoLeak(server, await server.api.get('/metrics'))
  })

  it('stay out of logs and refusals when the database fails', async () => {
    const proxy = await openTcpProxy(Number(new URL(server.databaseUrl).port))
    const failing = await startTestServer({ databaseUrl: throughPort(server.databaseUrl, proxy.port), dataDir: server.dataDir, env: { LOG_LEVEL: 'trace' } })
    await relieved(failing.app)
    const { api, deps } = failing
    const family = await registerCanary(failing)
    const as = { token: family.token, child: family.childId }
    const conversation = await startConversation(api, family)
    const attempts = () => [
      api.post('/v1/auth/login', { body: { email: family.email, password: CANARY.password } }),
      api.post('/v1/auth/password/forgot', { body: { email: family.email } }),
      api.patch('/v1/parents/me', { token: family.token, body: { display_name: CANARY.displayName } }),
      api.post('/v1/children', { token: family.token, body: { name: CANARY.child, birth_date: '2018-05-15' } }),
      api.post(`/v1/conversations/${conversation}/messages`, { ...as, body: { content: CANARY.message } }),
    ]
    await proxy.cut()
    const away = await Promise.all(attempts())
    expect(away.map(({ status }) => status)).toEqual([503, 202, 503, 503, 503])
    await proxy.mend()
    while ((await api.get('/readyz')).status !== 200) await turnOfTheLoop()

    await deps.db.prisma.$executeRaw`ALTER TABLE messages RENAME TO messages_away`
    await deps.db.prisma.$executeRaw`ALTER TABLE children ADD CONSTRAINT none CHECK (name = 'nobody') NOT VALID`
    await deps.db.prisma.$executeRaw`ALTER TABLE parents ADD CONSTRAINT none CHECK (display_name = 'nobody') NOT VALID`
    await deps.db.prisma.$executeRaw`ALTER TABLE accounts RENAME TO accounts_away`
    const broken = await Promise.all(attempts())
    expect(broken.map(({ status }) => status)).toEqual([500, 202, 500, 500, 500])
    for (const { body } of broken.filter(({ status }) => status === 500)) expect(body.error.message).toBe('Server error')
    expect(failing.logs.some((line) => line.includes('request failed'))).toBe(true)
    expectNoLeak(failing, await api.get('/metrics'), [...away, ...broken])
    await failing.close()
    await proxy.close()
  })

  it('stay out of logs when the tutor fails with them in its message', async () => {
    const tutor = gatedTutor()
    const failing = await startTestServer({ tutor, env: { LOG_LEVEL: 'trace' } })
    await relieved(failing.app)
    const family = await registerCanary(failing)
    const conversation = await startConversation(failing.api, family)
    const turn = takeTurn(failing.api, family, conversation, CANARY.message)
    await tutor.asked(1)
    tutor.fail(new Error(`cannot answer ${CANARY.message}`, { cause: new Error(CANARY.child) }))
    const refused = await turn
    expect(refused.status).toBe(503)
    expectNoLeak(failing, await failing.api.get('/metrics'), [refused])
    await failing.close()
  })
})

describe('operations', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
    await relieved(server.app)
  })
  afterAll(() => server.close())

  it('is alive and ready, with every dependency named', async () => {
    const live = await server.api.get('/livez')
    expect([live.status, live.body]).toEqual([200, { status: 'ok' }])
    const ready = await server.api.get('/readyz')
    expect([ready.status, ready.body]).toEqual([200, { status: 'ready', checks: { postgres: 'ok', revocations: 'ok' } }])
  })

  it('logs one line for each request: route, status and time, with the request id', async () => {
    const id = newId()
    await server.api.get(`/v1/topics/${TOPIC.space}?x=1`, { headers: { 'x-request-id': id } })
    const lines = server.logs.map((line) => JSON.parse(line)).filter((line) => line.reqId === id && line.msg === 'request')
    expect(lines).toEqual([
      { level: 'info', time: expect.any(Number), reqId: id, method: 'GET', route: '/v1/topics/:topic_id', status: 401, ms: expect.any(Number), msg: 'request' },
    ])
  })

  it('measures by route, never by path, and counts sockets and listening children', async () => {
    const family = await makeFamily(server.api)
    await server.api.get(`/v1/children/${family.childId}`, { token: family.token })
    await server.api.get(`/v1/nowhere/${family.childId}`)
    const socket = await openChildSocket(await server.listen(), family.token, family.childId)
    const { status, headers, text } = await server.api.get('/metrics')
    expect([status, String(headers['content-type'])]).toEqual([200, expect.stringContaining('text/plain')])
    expect(text).toContain('http_request_duration_seconds_count{method="GET",route="/v1/children/:child_id",status="200"} 1')
    expect(text).toContain('route="unknown",status="404"')
    expect(text).not.toContain(family.childId)
    expect(text).toMatch(/^brainspark_sockets 1$/m)
    expect(text).toMatch(/^brainspark_children_listening 1$/m)
    socket.close()
    await socket.closed
  })
})
