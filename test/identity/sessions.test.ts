import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DAY, HOUR, isoSeconds, MINUTE } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { anotherDevice, childStatusOf, livingSessions, logIn, refresh, sessionOf, statusOf } from '../helpers/accounts.ts'
import { NOON, testClock } from '../helpers/clock.ts'
import { childToken, expectRefusal, makeFamily, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

interface SessionBody {
  readonly id: string
  readonly current: boolean
}

describe('sessions', () => {
  let server: TestServer
  const clock = testClock()
  const listed = async (token: string): Promise<SessionBody[]> => {
    const response = await server.api.get('/v1/auth/sessions', { token })
    expect(response.status, response.text).toBe(200)
    return response.body.data
  }
  const endOne = (token: string, id: string) => server.api.delete(`/v1/auth/sessions/${id}`, { token })

  beforeAll(async () => {
    server = await startTestServer({ clock })
  })
  beforeEach(() => clock.set(NOON))
  afterAll(() => server.close())

  it('lists devices and tablets of the account alone, most recently used first', async () => {
    const family = await makeFamily(server.api)
    await registerParent(server.api)
    clock.advance(MINUTE)
    const child = await childToken(server.api, family)
    clock.advance(MINUTE)
    const tablet = await anotherDevice(server.api, family, 'Tablet')
    clock.advance(MINUTE)
    await refresh(server.api, family.refreshToken)
    const response = await server.api.get('/v1/auth/sessions', { token: tablet.token })
    expect(response.status).toBe(200)
    expect(response.body.meta).toEqual({ request_id: response.headers['x-request-id'], total: 3 })
    expect(response.body.data).toEqual([
      expect.objectContaining({
        id: sessionOf(family.token),
        type: 'parent',
        child_id: null,
        created_at: isoSeconds(NOON),
        last_used_at: isoSeconds(NOON + 3 * MINUTE),
        current: false,
      }),
      {
        id: sessionOf(tablet.token),
        type: 'parent',
        child_id: null,
        user_agent: 'Tablet',
        created_at: isoSeconds(NOON + 2 * MINUTE),
        last_used_at: isoSeconds(NOON + 2 * MINUTE),
        expires_at: expect.any(String),
        current: true,
      },
      expect.objectContaining({
        id: sessionOf(child),
        type: 'child',
        child_id: family.childId,
        expires_at: isoSeconds(NOON + MINUTE + 30 * DAY),
        current: false,
      }),
    ])
  })

  it('leaves out sessions that were ended, and those of children once they have expired', async () => {
    const family = await makeFamily(server.api)
    await childToken(server.api, family)
    const ended = await anotherDevice(server.api, family)
    await server.api.post('/v1/auth/logout', { token: ended.token })
    expect(await listed(family.token)).toHaveLength(2)
    clock.advance(29 * DAY)
    await refresh(server.api, family.refreshToken)
    clock.advance(DAY)
    const { access_token: token } = (await refresh(server.api, family.refreshToken)).body.data
    expect(await listed(token)).toMatchObject([{ id: sessionOf(family.token), type: 'parent', current: true }])
  })

  it('leaves out a device that was not used for 30 days and can no longer be refreshed', async () => {
    const parent = await registerParent(server.api)
    const forgotten = await anotherDevice(server.api, parent)
    clock.advance(29 * DAY)
    await refresh(server.api, parent.refreshToken)
    clock.advance(2 * DAY)
    expectRefusal(await refresh(server.api, forgotten.refreshToken), 401, 'TOKEN_EXPIRED')
    const { access_token: token } = (await refresh(server.api, parent.refreshToken)).body.data
    expect((await listed(token)).map((session) => session.id)).toEqual([sessionOf(parent.token)])
  })

  it('ends one session at once and leaves the others', async () => {
    const family = await makeFamily(server.api)
    const lost = await anotherDevice(server.api, family)
    const response = await endOne(family.token, sessionOf(lost.token))
    expect([response.status, response.text]).toEqual([204, ''])
    expectRefusal(await server.api.get('/v1/parents/me', { token: lost.token }), 401, 'UNAUTHORIZED')
    expectRefusal(await refresh(server.api, lost.refreshToken), 401, 'UNAUTHORIZED')
    expect(await statusOf(server.api, family.token)).toBe(200)
    expect((await listed(family.token)).map((session) => session.id)).toEqual([sessionOf(family.token)])
  })

  it("ends a child's session and its own session like any other", async () => {
    const family = await makeFamily(server.api)
    const child = await childToken(server.api, family)
    expect((await endOne(family.token, sessionOf(child))).status).toBe(204)
    expectRefusal(await server.api.get('/v1/topics', { token: child }), 401, 'UNAUTHORIZED')
    expect((await endOne(family.token, sessionOf(family.token))).status).toBe(204)
    expectRefusal(await server.api.get('/v1/parents/me', { token: family.token }), 401, 'UNAUTHORIZED')
  })

  // Attack: ending, or finding out about, the sessions of another family.
  it("answers 404 alike for another family's session, an ended one and one that never was", async () => {
    const parent = await registerParent(server.api)
    const stranger = await registerParent(server.api)
    const ended = await anotherDevice(server.api, parent)
    await server.api.post('/v1/auth/logout', { token: ended.token })
    for (const id of [sessionOf(stranger.token), sessionOf(ended.token), newId()]) expectRefusal(await endOne(parent.token, id), 404, 'NOT_FOUND')
    expect(await statusOf(server.api, stranger.token)).toBe(200)
  })

  it('refuses an id that is no UUID, naming the parameter', async () => {
    const parent = await registerParent(server.api)
    expectRefusal(await endOne(parent.token, 'mine'), 400, 'VALIDATION_ERROR', 'session_id')
  })

  it("ends all sessions but the caller's, the children's too, of this account alone", async () => {
    const family = await makeFamily(server.api)
    const stranger = await registerParent(server.api)
    const child = await childToken(server.api, family)
    const other = await anotherDevice(server.api, family)
    const response = await server.api.delete('/v1/auth/sessions', { token: family.token })
    expect([response.status, response.text]).toEqual([204, ''])
    expect([await statusOf(server.api, family.token), await statusOf(server.api, other.token)]).toEqual([200, 401])
    expect([await childStatusOf(server.api, child), await statusOf(server.api, stranger.token)]).toEqual([401, 200])
    expect(await livingSessions(server, family.id)).toBe(1)
    expect((await refresh(server.api, family.refreshToken)).status).toBe(200)
    expect((await server.api.delete('/v1/auth/sessions', { token: family.token })).status).toBe(204)
  })

  it('keeps the first 200 characters of a user agent', async () => {
    const parent = await registerParent(server.api)
    const long = await logIn(server.api, parent.email, undefined, { 'user-agent': 'x'.repeat(500) })
    const session = await server.deps.db.prisma.session.findUniqueOrThrow({ where: { id: sessionOf(long.body.data.tokens.access_token) } })
    expect(session.userAgent).toBe('x'.repeat(200))
  })

  describe.each<['GET' | 'POST' | 'DELETE', string, unknown?]>([
    ['GET', '/v1/auth/sessions'],
    ['DELETE', '/v1/auth/sessions'],
    ['DELETE', `/v1/auth/sessions/${newId()}`],
    ['POST', '/v1/auth/logout'],
    ['POST', '/v1/auth/password', { current_password: 'x', new_password: 'Quiet-Comet-Lantern-7' }],
    ['POST', '/v1/auth/email/resend'],
  ])('%s %s', (method, path, body) => {
    it('refuses nobody, an expired token and a child', async () => {
      const family = await makeFamily(server.api)
      const child = await childToken(server.api, family)
      const send = (token?: string) => server.api.send(method, path, { token, body })
      expectRefusal(await send(), 401, 'UNAUTHORIZED')
      expectRefusal(await send(child), 403, 'FORBIDDEN')
      clock.advance(24 * HOUR)
      expectRefusal(await send(family.token), 401, 'TOKEN_EXPIRED')
    })
  })
})
