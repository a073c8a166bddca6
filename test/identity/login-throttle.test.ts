import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MINUTE, SECOND } from '../../src/platform/clock.ts'
import { freshEmail, logIn, NEW_PASSWORD, settled } from '../helpers/accounts.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { NOON, testClock } from '../helpers/clock.ts'
import { expectRefusal, PASSWORD, registerParent } from '../helpers/family.ts'
import { resetToken } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

// Attack: guessing the password of one account from many addresses, below every limit per address.
describe('the login throttle', () => {
  let server: TestServer
  const clock = testClock()
  const wrong = (email: string, target: TestServer = server) => logIn(target.api, email, 'Wrong-Password-1')
  const failTimes = async (count: number, email: string) => {
    for (let n = 1; n <= count; n += 1) expectRefusal(await wrong(email), 401, 'UNAUTHORIZED')
  }
  const expectSlowed = (response: ApiResponse, seconds: number) => {
    expectRefusal(response, 429, 'RATE_LIMITED')
    expect([response.headers['retry-after'], response.body.error.retry_after]).toEqual([String(seconds), seconds])
  }
  const throttleRows = () => server.deps.db.prisma.loginThrottle.count()

  beforeAll(async () => {
    server = await startTestServer({ clock })
  })
  beforeEach(async () => {
    clock.set(NOON)
    await server.deps.db.prisma.loginThrottle.deleteMany()
  })
  afterAll(() => server.close())

  it('slows an account after ten failures, the right password too, and says for how long', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(10, email)
    expectSlowed(await wrong(email), 30)
    expectSlowed(await logIn(server.api, email), 30)
    clock.advance(29 * SECOND)
    expectSlowed(await logIn(server.api, email), 1)
    clock.advance(SECOND)
    expect((await logIn(server.api, email)).status).toBe(200)
  })

  it('allows one attempt each 30 seconds', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(10, email)
    for (let round = 1; round <= 3; round += 1) {
      clock.advance(30 * SECOND)
      expectRefusal(await wrong(email), 401, 'UNAUTHORIZED')
      expectSlowed(await wrong(email), 30)
    }
  })

  // Attack: sending the guesses all at once, so that each is checked before the first is counted.
  it('allows one attempt each 30 seconds when eight are sent at once', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(10, email)
    clock.advance(30 * SECOND)
    const responses = await Promise.all(Array.from({ length: 8 }, () => wrong(email)))
    expect(responses.map((response) => response.status).sort()).toEqual([401, ...Array(7).fill(429)])
  })

  it('lets ten guesses through, not more, when twenty are sent at once', async () => {
    const { email } = await registerParent(server.api)
    const responses = await Promise.all(Array.from({ length: 20 }, () => wrong(email)))
    expect(responses.filter((response) => response.status === 401)).toHaveLength(10)
    for (const response of responses.filter(({ status }) => status !== 401)) expectRefusal(response, 429, 'RATE_LIMITED')
  })

  it('forgets the failures 15 minutes after the first', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(9, email)
    clock.advance(15 * MINUTE - SECOND)
    await failTimes(1, email)
    expectSlowed(await wrong(email), 30)
    clock.advance(SECOND)
    await failTimes(10, email)
    expectSlowed(await wrong(email), 30)
  })

  it('forgets the failures after a success', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(9, email)
    expect((await logIn(server.api, email)).status).toBe(200)
    expect(await throttleRows()).toBe(0)
    await failTimes(9, email)
    expect((await logIn(server.api, email)).status).toBe(200)
  })

  // Attack: telling by the throttle which addresses have an account here.
  it('treats an unknown e-mail alike', async () => {
    const { email } = await registerParent(server.api)
    const unknown = freshEmail()
    await failTimes(10, email)
    await failTimes(10, unknown)
    const [known, stranger] = [await wrong(email), await wrong(unknown)]
    expectSlowed(known, 30)
    expectSlowed(stranger, 30)
    expect({ ...stranger.body.error, request_id: '' }).toEqual({ ...known.body.error, request_id: '' })
    expect(Object.keys(stranger.headers).sort()).toEqual(Object.keys(known.headers).sort())
  })

  it('counts an e-mail in any letter case and from any address, and no other account', async () => {
    const { email } = await registerParent(server.api)
    const other = await registerParent(server.api)
    for (let n = 0; n < 10; n += 1) {
      const spelling = n % 2 === 0 ? email.toUpperCase() : ` ${email}`
      await server.api.post('/v1/auth/login', { body: { email: spelling, password: 'Wrong-Password-1' }, ip: `192.0.2.${n}` })
    }
    expectSlowed(await wrong(email), 30)
    expect((await logIn(server.api, other.email)).status).toBe(200)
  })

  it('is shared by every instance on one database, and survives a restart', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(10, email)
    const second = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock })
    try {
      await settled(server, second)
      expectSlowed(await wrong(email, second), 30)
    } finally {
      await second.close()
    }
  })

  it('keeps no e-mail address in its table', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(1, email)
    const [row] = await server.deps.db.prisma.loginThrottle.findMany()
    expect(Buffer.from(row?.key ?? []).toString('latin1')).not.toContain(email)
    expect(row).toMatchObject({ failures: 1, windowStartedAt: new Date(NOON), lastFailureAt: new Date(NOON) })
  })

  // Attack: guessing the password with a stolen access token, through the change of the password.
  it('counts wrong current passwords of a password change with the failed logins', async () => {
    const { email, token } = await registerParent(server.api)
    const change = (current: string) => server.api.post('/v1/auth/password', { token, body: { current_password: current, new_password: NEW_PASSWORD } })
    await failTimes(5, email)
    for (let n = 0; n < 5; n += 1) expectRefusal(await change('Wrong-Password-1'), 403, 'FORBIDDEN')
    expectSlowed(await change(PASSWORD), 30)
    expectSlowed(await logIn(server.api, email), 30)
  })

  it('is cleared by a password reset', async () => {
    const { email } = await registerParent(server.api)
    await failTimes(10, email)
    const token = await resetToken(server, email)
    expect((await server.api.post('/v1/auth/password/reset', { body: { token, password: NEW_PASSWORD } })).status).toBe(204)
    expect((await logIn(server.api, email, NEW_PASSWORD)).status).toBe(200)
  })
})
