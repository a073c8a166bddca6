import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HOUR, SECOND } from '../../src/platform/clock.ts'
import { sha256 } from '../../src/platform/crypto-box.ts'
import { anotherDevice, childStatusOf, freshEmail, livingSessions, logIn, NEW_PASSWORD, refresh, statusOf } from '../helpers/accounts.ts'
import { NOON, testClock } from '../helpers/clock.ts'
import { childToken, expectRefusal, makeFamily, PASSWORD, registerParent } from '../helpers/family.ts'
import { lettersTo, RESET_SUBJECT, resetToken, tokenIn, verificationToken, waitForLetters } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('resetting the password', () => {
  let server: TestServer
  const clock = testClock()
  const forgot = (email: string, headers?: Record<string, string>) =>
    server.api.post('/v1/auth/password/forgot', { body: { email }, ...(headers && { headers }) })
  const reset = (token: string, password = NEW_PASSWORD) => server.api.post('/v1/auth/password/reset', { body: { token, password } })
  const resetLinks = (accountId: string) => server.deps.db.prisma.emailLink.findMany({ where: { accountId, purpose: 'reset' } })

  beforeAll(async () => {
    server = await startTestServer({ clock })
  })
  beforeEach(() => clock.set(NOON))
  afterAll(() => server.close())

  it('mails a code to the address, in any letter case, and stores only its hash', async () => {
    const parent = await registerParent(server.api)
    const response = await forgot(parent.email.toUpperCase())
    expect([response.status, response.text]).toEqual([202, ''])
    const [letter] = await waitForLetters(server, parent.email, RESET_SUBJECT, 1)
    const token = tokenIn(letter as NonNullable<typeof letter>)
    expect(token).toMatch(/^[\w-]{43}$/)
    const [stored] = await resetLinks(parent.id)
    expect(Buffer.from(stored?.tokenHash ?? []).toString('hex')).toBe(sha256(token).toString('hex'))
    expect([stored?.expiresAt.getTime(), stored?.usedAt]).toEqual([clock.now() + HOUR, null])
  })

  // Attack: telling from the answer which addresses have an account here.
  it('answers alike for an unknown address, and mails nobody', async () => {
    const parent = await registerParent(server.api)
    const unknown = freshEmail()
    const links = await server.deps.db.prisma.emailLink.count()
    const stranger = await forgot(unknown)
    expect([stranger.status, stranger.text]).toEqual([202, ''])
    const known = await forgot(parent.email)
    await waitForLetters(server, parent.email, RESET_SUBJECT, 1)
    expect([known.status, known.text, Object.keys(known.headers).sort()]).toEqual([202, '', Object.keys(stranger.headers).sort()])
    expect(await server.deps.db.prisma.emailLink.count()).toBe(links + 1)
    expect(await lettersTo(server, unknown)).toEqual([])
  })

  // Attack: a forged Host header, so that the mail carries the victim's token to the attacker's site.
  it('names no host that the request names', async () => {
    const parent = await registerParent(server.api)
    await forgot(parent.email, { host: 'evil.example', 'x-forwarded-host': 'evil.example' })
    const [letter] = await waitForLetters(server, parent.email, RESET_SUBJECT, 1)
    expect(letter?.text).not.toContain('evil.example')
  })

  it.each<[string, unknown, string]>([
    ['no e-mail', {}, 'email'],
    ['an empty e-mail', { email: '' }, 'email'],
    ['an e-mail of 255 characters', { email: 'x'.repeat(255) }, 'email'],
    ['an unknown field', { email: 'a@example.com', redirect: 'https://evil.example' }, 'redirect'],
  ])('refuses %s when asked for a link, naming the field', async (_name, body, field) => {
    expectRefusal(await server.api.post('/v1/auth/password/forgot', { body }), 400, 'VALIDATION_ERROR', field)
  })

  it('sets the new password, proves the address and ends every session', async () => {
    const family = await makeFamily(server.api)
    const child = await childToken(server.api, family)
    const other = await anotherDevice(server.api, family)
    const response = await reset(await resetToken(server, family.email))
    expect([response.status, response.text]).toEqual([204, ''])
    const account = await server.deps.db.prisma.account.findUniqueOrThrow({ where: { id: family.id } })
    expect(account.emailVerifiedAt?.getTime()).toBe(clock.now())
    expect([await statusOf(server.api, family.token), await statusOf(server.api, other.token), await childStatusOf(server.api, child)]).toEqual([401, 401, 401])
    expectRefusal(await refresh(server.api, family.refreshToken), 401, 'UNAUTHORIZED')
    expect(await livingSessions(server, family.id)).toBe(0)
    expectRefusal(await logIn(server.api, family.email, PASSWORD), 401, 'UNAUTHORIZED')
    const login = await logIn(server.api, family.email, NEW_PASSWORD)
    expect([login.status, login.body.data.parent.email_verified]).toEqual([200, true])
  })

  it('works once', async () => {
    const parent = await registerParent(server.api)
    const token = await resetToken(server, parent.email)
    expect((await reset(token)).status).toBe(204)
    expectRefusal(await reset(token, 'Third-Password-33'), 422, 'UNPROCESSABLE_ENTITY')
    expect((await logIn(server.api, parent.email, NEW_PASSWORD)).status).toBe(200)
  })

  it('works once when the link is used twice at the same moment', async () => {
    const parent = await registerParent(server.api)
    const token = await resetToken(server, parent.email)
    const responses = await Promise.all([reset(token), reset(token, 'Third-Password-33')])
    expect(responses.map((response) => response.status).sort()).toEqual([204, 422])
    const winner = responses[0]?.status === 204 ? NEW_PASSWORD : 'Third-Password-33'
    expect((await logIn(server.api, parent.email, winner)).status).toBe(200)
  })

  it('works for an hour, and not a moment longer', async () => {
    const [early, late] = [await registerParent(server.api), await registerParent(server.api)]
    const [earlyToken, lateToken] = [await resetToken(server, early.email), await resetToken(server, late.email)]
    clock.advance(HOUR - SECOND)
    expect((await reset(earlyToken)).status).toBe(204)
    clock.advance(SECOND)
    expectRefusal(await reset(lateToken), 422, 'UNPROCESSABLE_ENTITY')
    expect((await logIn(server.api, late.email)).status).toBe(200)
  })

  it('voids the other links of the account', async () => {
    const parent = await registerParent(server.api)
    const first = await resetToken(server, parent.email)
    const second = await resetToken(server, parent.email)
    expect((await reset(second)).status).toBe(204)
    expectRefusal(await reset(first, 'Third-Password-33'), 422, 'UNPROCESSABLE_ENTITY')
    expect((await resetLinks(parent.id)).every((link) => link.usedAt !== null)).toBe(true)
  })

  // Attack: using a link of one purpose, which lives for two days and may be seen by link scanners, for the other.
  it('takes no verification link, and verification takes no reset link', async () => {
    const parent = await registerParent(server.api)
    expectRefusal(await reset(await verificationToken(server, parent.email)), 422, 'UNPROCESSABLE_ENTITY')
    const token = await resetToken(server, parent.email)
    expectRefusal(await server.api.post('/v1/auth/email/verify', { body: { token } }), 422, 'UNPROCESSABLE_ENTITY')
    expect((await reset(token)).status).toBe(204)
  })

  it('refuses an unknown link', async () => {
    expectRefusal(await reset('x'.repeat(43)), 422, 'UNPROCESSABLE_ENTITY')
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['no link', { token: undefined }, 'token'],
    ['an empty link', { token: '' }, 'token'],
    ['no password', { password: undefined }, 'password'],
    ['a password of 7 characters', { password: 'aB3$xY7' }, 'password'],
    ['a password of 129 characters', { password: 'x'.repeat(129) }, 'password'],
    ['a common password', { password: 'Password1' }, 'password'],
    ['an unknown field', { email: 'a@example.com' }, 'email'],
  ])('refuses %s, naming the field, and keeps the link', async (_name, changes, field) => {
    const parent = await registerParent(server.api)
    const token = await resetToken(server, parent.email)
    const response = await server.api.post('/v1/auth/password/reset', { body: { token, password: NEW_PASSWORD, ...changes } })
    expectRefusal(response, 400, 'VALIDATION_ERROR', field)
    expect((await reset(token)).status).toBe(204)
  })

  it('refuses the e-mail address as password, and keeps the link', async () => {
    const parent = await registerParent(server.api)
    const token = await resetToken(server, parent.email)
    expectRefusal(await reset(token, parent.email), 400, 'VALIDATION_ERROR', 'password')
    expect((await reset(token)).status).toBe(204)
  })

  it('gives an account without a password its first one', async () => {
    const parent = await registerParent(server.api)
    await server.deps.db.prisma.account.update({ where: { id: parent.id }, data: { passwordHash: null } })
    expect((await reset(await resetToken(server, parent.email))).status).toBe(204)
    expect((await logIn(server.api, parent.email, NEW_PASSWORD)).status).toBe(200)
  })
})
