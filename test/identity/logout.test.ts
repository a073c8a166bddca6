import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { childStatusOf, logIn, refresh, sessionOf, settled, statusOf } from '../helpers/accounts.ts'
import { childToken, expectRefusal, makeFamily, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket } from '../helpers/socket.ts'

describe('logging out', () => {
  let first: TestServer
  let second: TestServer
  let address: string
  const another = () => startTestServer({ databaseUrl: first.databaseUrl, dataDir: first.dataDir, clock: first.clock })
  const logOut = (token: string) => first.api.post('/v1/auth/logout', { token })
  /** Resolves when `server` hears that the session has ended. */
  const hears = (server: TestServer, sessionId: string) =>
    new Promise<void>((resolve) => {
      const stop = server.deps.revocations.onRevoked((id) => {
        if (id !== sessionId) return
        stop()
        resolve()
      })
    })

  beforeAll(async () => {
    first = await startTestServer()
    second = await another()
    address = await second.listen()
    await settled(first, second)
  })
  afterAll(async () => {
    await second.close()
    await first.close()
  })

  it('answers 204 without a body, and refuses the tokens of the session at once', async () => {
    const parent = await registerParent(first.api)
    const response = await logOut(parent.token)
    expect([response.status, response.text]).toEqual([204, ''])
    expectRefusal(await first.api.get('/v1/parents/me', { token: parent.token }), 401, 'UNAUTHORIZED')
    expectRefusal(await refresh(first.api, parent.refreshToken), 401, 'UNAUTHORIZED')
    expectRefusal(await logOut(parent.token), 401, 'UNAUTHORIZED')
  })

  it('records when and why the session ended', async () => {
    const parent = await registerParent(first.api)
    await logOut(parent.token)
    const id = sessionOf(parent.token)
    const session = await first.deps.db.prisma.session.findUniqueOrThrow({ where: { id } })
    expect([session.revokedAt?.getTime(), session.revokedReason]).toEqual([first.clock.now(), 'logout'])
    expect(await first.deps.db.prisma.revokedSession.count({ where: { sessionId: id } })).toBe(1)
  })

  it('refuses an access token that was refreshed from the same session', async () => {
    const parent = await registerParent(first.api)
    const refreshed = await refresh(first.api, parent.refreshToken)
    await logOut(parent.token)
    expectRefusal(await first.api.get('/v1/parents/me', { token: refreshed.body.data.access_token }), 401, 'UNAUTHORIZED')
  })

  it("leaves the account's other devices and the children's tablets alone", async () => {
    const family = await makeFamily(first.api)
    const child = await childToken(first.api, family)
    const other = (await logIn(first.api, family.email)).body.data.tokens.access_token
    await logOut(family.token)
    expect(await statusOf(first.api, other)).toBe(200)
    expect(await childStatusOf(first.api, child)).toBe(200)
  })

  it('refuses nobody and a child', async () => {
    const family = await makeFamily(first.api)
    expectRefusal(await first.api.post('/v1/auth/logout'), 401, 'UNAUTHORIZED')
    expectRefusal(await logOut(await childToken(first.api, family)), 403, 'FORBIDDEN')
    expect(await statusOf(first.api, family.token)).toBe(200)
  })

  it('bites on a second instance as soon as it hears of it', async () => {
    const parent = await registerParent(first.api)
    expect(await statusOf(second.api, parent.token)).toBe(200)
    const heard = hears(second, sessionOf(parent.token))
    await logOut(parent.token)
    await heard
    expectRefusal(await second.api.get('/v1/parents/me', { token: parent.token }), 401, 'UNAUTHORIZED')
  })

  it('closes the open sockets of the session on the other instance with 4401', async () => {
    const family = await makeFamily(first.api)
    const socket = await openChildSocket(address, family.token, family.childId)
    await logOut(family.token)
    expect(await socket.closed).toBe(4401)
  })

  it('survives a restart: an instance started afterwards refuses the token too', async () => {
    const parent = await registerParent(first.api)
    const alive = await registerParent(first.api)
    await logOut(parent.token)
    const restarted = await another()
    try {
      await settled(first, second, restarted)
      expectRefusal(await restarted.api.get('/v1/parents/me', { token: parent.token }), 401, 'UNAUTHORIZED')
      expectRefusal(await refresh(restarted.api, parent.refreshToken), 401, 'UNAUTHORIZED')
      expect(await statusOf(restarted.api, alive.token)).toBe(200)
    } finally {
      await restarted.close()
    }
  })
})
