import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DAY, SECOND } from '../../src/platform/clock.ts'
import { logIn, verifyAddress } from '../helpers/accounts.ts'
import { NOON, testClock } from '../helpers/clock.ts'
import { expectRefusal, registerParent } from '../helpers/family.ts'
import { linkIn, VERIFY_SUBJECT, verificationToken, waitForLetters } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('verifying the e-mail address', () => {
  let server: TestServer
  const clock = testClock()
  const verify = (token: string) => server.api.post('/v1/auth/email/verify', { body: { token } })
  const follow = (token: string) => server.api.get(`/v1/auth/email/verify?token=${token}`)
  const resend = (token: string) => server.api.post('/v1/auth/email/resend', { token })
  const verifiedAt = async (id: string) => (await server.deps.db.prisma.account.findUniqueOrThrow({ where: { id } })).emailVerifiedAt?.getTime()

  beforeAll(async () => {
    server = await startTestServer({ clock })
  })
  beforeEach(() => clock.set(NOON))
  afterAll(() => server.close())

  it('answers 204 to the token of the mail, and marks the address from that moment', async () => {
    const parent = await registerParent(server.api)
    expect(await verifiedAt(parent.id)).toBeUndefined()
    clock.advance(SECOND)
    const response = await verify(await verificationToken(server, parent.email))
    expect([response.status, response.text]).toEqual([204, ''])
    expect(await verifiedAt(parent.id)).toBe(NOON + SECOND)
    expect((await logIn(server.api, parent.email)).body.data.parent.email_verified).toBe(true)
  })

  it('works by following the link as it stands in the mail', async () => {
    const parent = await registerParent(server.api)
    const [letter] = await waitForLetters(server, parent.email, VERIFY_SUBJECT, 1)
    const link = linkIn(letter as NonNullable<typeof letter>)
    const response = await server.api.get(link.pathname + link.search)
    expect(response.status).toBe(200)
    expect(response.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(response.text).toContain('Your e-mail address is confirmed')
    expect(await verifiedAt(parent.id)).toBe(NOON)
  })

  // Mail scanners open links, and then their reader does.
  it('says again that it is done, by either way, and changes nothing', async () => {
    const [first, second] = [await registerParent(server.api), await registerParent(server.api)]
    const posted = await verificationToken(server, first.email)
    const followed = await verificationToken(server, second.email)
    expect((await verify(posted)).status).toBe(204)
    expect((await follow(followed)).status).toBe(200)
    for (const token of [posted, followed]) {
      clock.advance(60_000)
      expect([(await verify(token)).status, (await follow(token)).status]).toEqual([204, 200])
    }
    for (const parent of [first, second]) expect(await verifiedAt(parent.id)).toBe(NOON)
  })

  it('works for two days, and not a moment longer', async () => {
    const [early, late] = [await registerParent(server.api), await registerParent(server.api)]
    const [earlyToken, lateToken] = [await verificationToken(server, early.email), await verificationToken(server, late.email)]
    clock.advance(2 * DAY - SECOND)
    expect((await verify(earlyToken)).status).toBe(204)
    clock.advance(SECOND)
    expectRefusal(await verify(lateToken), 422, 'UNPROCESSABLE_ENTITY')
    expectRefusal(await follow(lateToken), 422, 'UNPROCESSABLE_ENTITY')
    expect(await verifiedAt(late.id)).toBeUndefined()
  })

  it('refuses an unknown token', async () => {
    expectRefusal(await verify('x'.repeat(43)), 422, 'UNPROCESSABLE_ENTITY')
    expectRefusal(await follow('x'.repeat(43)), 422, 'UNPROCESSABLE_ENTITY')
  })

  it.each<[string, unknown, string]>([
    ['no token', {}, 'token'],
    ['an empty token', { token: '' }, 'token'],
    ['a token of 513 characters', { token: 'x'.repeat(513) }, 'token'],
    ['an unknown field', { token: 'x', email: 'a@example.com' }, 'email'],
  ])('refuses %s, naming the field', async (_name, body, field) => {
    expectRefusal(await server.api.post('/v1/auth/email/verify', { body }), 400, 'VALIDATION_ERROR', field)
  })

  it('refuses a link without a token, with two, or with more than a token', async () => {
    expectRefusal(await server.api.get('/v1/auth/email/verify'), 400, 'VALIDATION_ERROR', 'token')
    expectRefusal(await server.api.get('/v1/auth/email/verify?token=a&token=b'), 400, 'VALIDATION_ERROR', 'token')
    expectRefusal(await server.api.get('/v1/auth/email/verify?token=a&next=evil'), 400, 'VALIDATION_ERROR', 'next')
  })

  it('mails another link on request, and that one works', async () => {
    const parent = await registerParent(server.api)
    const first = await verificationToken(server, parent.email)
    const response = await resend(parent.token)
    expect([response.status, response.text]).toEqual([202, ''])
    const letters = await waitForLetters(server, parent.email, VERIFY_SUBJECT, 2)
    const second = letters.map((letter) => linkIn(letter).searchParams.get('token') ?? '').find((token) => token !== first)
    expect((await verify(second ?? '')).status).toBe(204)
    expect(await verifiedAt(parent.id)).toBe(NOON)
  })

  it('keeps the time of the first proof when a second link is followed', async () => {
    const parent = await registerParent(server.api)
    const first = await verificationToken(server, parent.email)
    await resend(parent.token)
    const letters = await waitForLetters(server, parent.email, VERIFY_SUBJECT, 2)
    await verify(first)
    clock.advance(DAY)
    for (const letter of letters) await follow(linkIn(letter).searchParams.get('token') ?? '')
    expect(await verifiedAt(parent.id)).toBe(NOON)
  })

  it('answers 409 to a request for another link once the address is verified, and mails none', async () => {
    const parent = await registerParent(server.api)
    await verifyAddress(server, parent.email)
    expectRefusal(await resend(parent.token), 409, 'CONFLICT')
    expect(await server.deps.db.prisma.emailLink.count({ where: { accountId: parent.id } })).toBe(1)
  })

  it('mails another link to the address of the account alone, whatever the body names', async () => {
    const parent = await registerParent(server.api)
    await server.api.post('/v1/auth/email/resend', { token: parent.token, body: { email: 'stranger@example.com' } })
    const links = await server.deps.db.prisma.emailLink.findMany({ where: { emailKey: 'stranger@example.com' } })
    expect(links).toEqual([])
  })
})
