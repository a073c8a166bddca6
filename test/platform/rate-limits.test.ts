import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import type { ApiRequest, ApiResponse } from '../helpers/api.ts'
import { childToken, createChild, expectRefusal, makeFamily, registerParent, startConversation, takeTurn } from '../helpers/family.ts'
import { relieved } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ env: { RATE_LIMIT_MULTIPLIER: '1' } })
  await relieved(server.app)
})
afterAll(() => server.close())

const headersOf = ({ headers }: ApiResponse) => ({
  limit: Number(headers['x-ratelimit-limit']),
  remaining: Number(headers['x-ratelimit-remaining']),
  reset: Number(headers['x-ratelimit-reset']),
})

/** A request so many times, one after the other. */
async function repeat(count: number, request: (turn: number) => Promise<ApiResponse>): Promise<ApiResponse[]> {
  const responses: ApiResponse[] = []
  for (let turn = 0; turn < count; turn += 1) responses.push(await request(turn))
  return responses
}
const limited = (responses: readonly ApiResponse[]) => responses.filter(({ status }) => status === 429).length

/** Section 9.3, with the header of 9.2. */
function expectLimited(response: ApiResponse, limit: number, retryAfter: number): void {
  expectRefusal(response, 429, 'RATE_LIMITED')
  expect(response.body.error).toMatchObject({ message: 'Too many requests. Please wait before trying again.', retry_after: retryAfter })
  expect(response.headers['retry-after']).toBe(String(retryAfter))
  const reset = Math.ceil(server.clock.now() / 1_000) + retryAfter
  expect(headersOf(response)).toEqual({ limit, remaining: 0, reset })
}

/** A minute later every window is fresh; each test begins so. */
const nextWindow = () => server.clock.advance(60_000)

describe('the general limit', () => {
  it('counts down from 100 with the window end in epoch seconds', async () => {
    nextWindow()
    const { token } = await registerParent(server.api)
    const first = await server.api.get('/v1/parents/me', { token })
    expect(headersOf(first)).toEqual({ limit: 100, remaining: 99, reset: server.clock.now() / 1_000 + 60 })
    expect(first.headers['retry-after']).toBeUndefined()
    server.clock.advance(30_000)
    const second = await server.api.get('/v1/parents/me', { token })
    expect(headersOf(second)).toEqual({ limit: 100, remaining: 98, reset: server.clock.now() / 1_000 + 30 })
  })

  it('allows an account 100 requests a minute, refuses the 101st and starts afresh with the next window', async () => {
    nextWindow()
    const { token } = await registerParent(server.api)
    const ask = () => server.api.get('/v1/auth/sessions', { token })
    expect(limited(await repeat(100, ask))).toBe(0)
    expectLimited(await ask(), 100, 60)
    server.clock.advance(30_000)
    expectLimited(await ask(), 100, 30)
    server.clock.advance(29_000)
    expectLimited(await ask(), 100, 1)
    server.clock.advance(1_000)
    expect(headersOf(await ask()).remaining).toBe(99)
  })

  it('counts refused requests too, on whichever parent endpoint', async () => {
    nextWindow()
    const { token } = await registerParent(server.api)
    await repeat(50, () => server.api.post('/v1/children', { token, body: {} }))
    await repeat(50, () => server.api.get('/v1/parents/me', { token }))
    expectLimited(await server.api.post('/v1/children', { token, body: {} }), 100, 60)
  })

  it('counts an account, each of its children and another account apart', async () => {
    nextWindow()
    const { api } = server
    const family = await makeFamily(api)
    const brother = await createChild(api, family.token, { name: 'Noah' })
    const neighbour = await makeFamily(api)
    const constellation = (token: string, child: string) => api.get('/v1/constellation', { token, child })
    expect(limited(await repeat(101, () => constellation(family.token, family.childId)))).toBe(1)
    expect(headersOf(await constellation(family.token, brother)).remaining).toBe(99)
    expect(headersOf(await constellation(neighbour.token, neighbour.childId)).remaining).toBe(99)
    expect((await api.get('/v1/parents/me', { token: family.token })).status).toBe(200)
  })

  it('tells a child that it was too quick in its own words', async () => {
    nextWindow()
    const family = await makeFamily(server.api)
    const ask = () => server.api.get('/v1/constellation', { token: family.token, child: family.childId })
    await repeat(100, ask)
    const refused = await ask()
    expectLimited(refused, 100, 60)
    expect(refused.body.error).toMatchObject({ child_message: expect.stringMatching(/\w/), child_animation: expect.stringMatching(/\w/) })
  })

  // Attack: more requests for one child by speaking now with the parent's token, now with the child's, now in capitals.
  it('counts a child once, by whatever token and spelling', async () => {
    nextWindow()
    const family = await makeFamily(server.api)
    const own = await childToken(server.api, family)
    const ways: ApiRequest[] = [
      { token: family.token, child: family.childId },
      { token: own },
      { token: own, child: family.childId },
      { token: family.token, child: family.childId.toUpperCase() },
    ]
    const ask = (turn: number) => server.api.get('/v1/constellation', ways[turn % ways.length])
    expect(limited(await repeat(100, ask))).toBe(0)
    for (const turn of ways.keys()) expectLimited(await ask(turn), 100, 60)
  })

  // Attack: a stranger uses up the limit of a child whose id it has seen, to lock the child out.
  it('does not let another account use up the limit of a child', async () => {
    nextWindow()
    const family = await makeFamily(server.api)
    const stranger = await registerParent(server.api)
    await repeat(100, () => server.api.get('/v1/constellation', { token: stranger.token, child: family.childId }))
    const own = await server.api.get('/v1/constellation', { token: family.token, child: family.childId })
    expect([own.status, headersOf(own).remaining]).toEqual([200, 99])
  })

  // Attack: a made-up X-Child-ID for each request gives each a window of its own: no limit at all, a query each time, and
  // the counters of everybody else are pushed out of memory.
  it('does not widen the limit of an account that makes up children', async () => {
    nextWindow()
    const { token } = await registerParent(server.api)
    const answers = await repeat(130, () => server.api.get('/v1/constellation', { token, child: newId() }))
    expect(limited(answers)).toBeGreaterThan(0)
  })

  it('asks nothing of probes', async () => {
    const answers = await repeat(120, (turn) => server.api.get(['/livez', '/metrics', '/.well-known/jwks.json'][turn % 3] as string))
    expect(answers.filter(({ status, headers }) => status !== 200 || 'x-ratelimit-limit' in headers)).toEqual([])
  })
})

describe('the limit of messages', () => {
  it('allows a child 30 a minute over all its conversations, apart from everything else', async () => {
    nextWindow()
    const { api } = server
    const family = await makeFamily(api)
    const conversations = [await startConversation(api, family), await startConversation(api, family)]
    const first = await takeTurn(api, family, conversations[0] as string)
    expect([first.status, headersOf(first)]).toEqual([201, { limit: 30, remaining: 29, reset: server.clock.now() / 1_000 + 60 }])
    const answers = await repeat(29, (turn) => takeTurn(api, family, conversations[turn % 2] as string, turn % 3))
    expect(answers.map(({ status }) => status)).toEqual(Array(29).fill(201))

    const refused = await takeTurn(api, family, conversations[1] as string)
    expectLimited(refused, 30, 60)
    expect(refused.body.error.child_message).toMatch(/\w/)
    expect(await server.deps.db.prisma.message.count({ where: { childId: family.childId, role: 'user' } })).toBe(30)
    expect(headersOf(await api.get('/v1/constellation', { token: family.token, child: family.childId })).limit).toBe(100)
    expect((await api.get(`/v1/conversations/${conversations[0]}/messages`, { token: family.token, child: family.childId })).status).toBe(200)

    server.clock.advance(60_000)
    expect((await takeTurn(api, family, conversations[1] as string)).status).toBe(201)
  })

  it('does not slow a brother down', async () => {
    nextWindow()
    const { api } = server
    const family = await makeFamily(api)
    const brother = { ...family, childId: await createChild(api, family.token, { name: 'Noah' }) }
    const conversation = await startConversation(api, brother)
    const nowhere = newId()
    expect(limited(await repeat(31, () => takeTurn(api, family, nowhere)))).toBe(1)
    expect((await takeTurn(api, brother, conversation)).status).toBe(201)
  })
})

describe('the limit of authentication', () => {
  const login = (email: string, ip: string) => server.api.post('/v1/auth/login', { ip, body: { email, password: 'Not-The-Password-1' } })

  it('allows 5 a minute for an address and e-mail together, whatever the spelling', async () => {
    nextWindow()
    const email = `${newId()}@example.com`
    const answers = await repeat(5, (turn) => login(turn % 2 ? email.toUpperCase() : email, '203.0.113.5'))
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(401))
    expect(answers.map((answer) => headersOf(answer).remaining)).toEqual([4, 3, 2, 1, 0])
    expectLimited(await login(email, '203.0.113.5'), 5, 60)
    expect((await login(email, '203.0.113.6')).status).toBe(401)
    expect((await login(`other-${email}`, '203.0.113.5')).status).toBe(401)
    server.clock.advance(60_000)
    expect((await login(email, '203.0.113.5')).status).toBe(401)
  })

  // Attack: one list of passwords, a new e-mail for each.
  it('allows an address 60 a minute over all e-mails, with the headers of section 9.2 on the refusal', async () => {
    nextWindow()
    const ask = (turn: number) => server.api.post('/v1/auth/login', { ip: '203.0.113.7', body: { email: `${turn}@example.com` } })
    expect(limited(await repeat(60, ask))).toBe(0)
    const refused = await ask(60)
    expectRefusal(refused, 429, 'RATE_LIMITED')
    expect(refused.headers['retry-after']).toBe('60')
    expect(headersOf(refused)).toEqual({ limit: 60, remaining: 0, reset: server.clock.now() / 1_000 + 60 })
  })

  // Attack: an IPv6 subscriber holds 2^64 addresses, a new one for each attempt.
  it('counts an IPv6 network of 64 bits as one address', async () => {
    nextWindow()
    const email = `${newId()}@example.com`
    const answers = await repeat(6, (turn) => login(email, `2001:db8:1:2::${turn + 1}`))
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429])
    expect((await login(email, '2001:db8:1:3::1')).status).toBe(401)
  })

  // Attack: a forged X-Forwarded-For makes each attempt come from somewhere else.
  it('does not believe X-Forwarded-For unless a proxy is trusted', async () => {
    nextWindow()
    const email = `${newId()}@example.com`
    const answers = await repeat(6, (turn) =>
      server.api.post('/v1/auth/login', {
        ip: '203.0.113.9',
        headers: { 'x-forwarded-for': `198.51.100.${turn}` },
        body: { email, password: 'Not-The-Password-1' },
      }),
    )
    expect(answers.at(-1)?.status).toBe(429)
  })

  it('refreshes 30 times a minute for each session', async () => {
    nextWindow()
    const { refreshToken } = await registerParent(server.api)
    const other = await registerParent(server.api)
    const refresh = (token: string) => server.api.post('/v1/auth/refresh', { body: { refresh_token: token } })
    const answers = await repeat(30, () => refresh(refreshToken))
    expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200))
    expect(headersOf(answers[0] as ApiResponse)).toEqual({ limit: 30, remaining: 29, reset: server.clock.now() / 1_000 + 60 })
    expectLimited(await refresh(refreshToken), 30, 60)
    expect((await refresh(other.refreshToken)).status).toBe(200)
  })
})

it('scales every limit with RATE_LIMIT_MULTIPLIER', async () => {
  const wide = await startTestServer({ env: { RATE_LIMIT_MULTIPLIER: '2.5' } })
  try {
    const { token } = await registerParent(wide.api)
    expect(headersOf(await wide.api.get('/v1/parents/me', { token })).limit).toBe(250)
    expect(headersOf(await wide.api.post('/v1/auth/login', { body: {} })).limit).toBe(12)
  } finally {
    await wide.close()
  }
})
