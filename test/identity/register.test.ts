import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONSENT_VERSIONS } from '../../src/identity/auth.service.ts'
import { DAY, isoSeconds } from '../../src/platform/clock.ts'
import { sha256 } from '../../src/platform/crypto-box.ts'
import { newId } from '../../src/platform/ids.ts'
import { freshEmail, logIn, registration, statusOf } from '../helpers/accounts.ts'
import { CONSENTS, expectRefusal, PASSWORD } from '../helpers/family.ts'
import { linkIn, VERIFY_SUBJECT, waitForLetters } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('registering a parent', () => {
  let server: TestServer
  const register = (changes: Readonly<Record<string, unknown>> = {}, headers?: Record<string, string>) =>
    server.api.post('/v1/auth/register', { body: registration(changes), ...(headers && { headers }) })
  const accountsWith = (email: string) => server.deps.db.prisma.account.count({ where: { emailKey: email.toLowerCase() } })

  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('answers 201 with the profile and tokens that work at once', async () => {
    const email = freshEmail()
    const response = await register({ email })
    expect(response.status).toBe(201)
    expect(response.body).toEqual({
      data: {
        parent: {
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          email,
          display_name: 'Alex Parent',
          children_count: 0,
          email_verified: false,
          created_at: isoSeconds(server.clock.now()),
        },
        tokens: { access_token: expect.any(String), refresh_token: expect.any(String), expires_in: 86_400 },
      },
      meta: { request_id: response.headers['x-request-id'] },
    })
    expect(await statusOf(server.api, response.body.data.tokens.access_token)).toBe(200)
  })

  it('records each consent with its version, its source and the time', async () => {
    const response = await register()
    const rows = await server.deps.db.prisma.consent.findMany({ where: { accountId: response.body.data.parent.id }, orderBy: { document: 'asc' } })
    expect(rows.map(({ document, version, source, acceptedAt }) => ({ document, version, source, at: acceptedAt.getTime() }))).toEqual(
      (['coppa', 'privacy', 'terms'] as const).map((document) => ({
        document,
        version: CONSENT_VERSIONS[document],
        source: 'register',
        at: server.clock.now(),
      })),
    )
  })

  it('stores the profile, an argon2id hash and hashed tokens, and nothing that could be used to sign in', async () => {
    const email = freshEmail()
    const response = await register({ email }, { 'user-agent': 'Kitchen tablet' })
    const { id } = response.body.data.parent
    const account = await server.deps.db.prisma.account.findUniqueOrThrow({ where: { id }, include: { parent: true, sessions: true } })
    expect(account).toMatchObject({ email, emailKey: email, emailVerifiedAt: null, parent: { displayName: 'Alex Parent', timezone: 'America/New_York' } })
    expect(account.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(account.sessions).toMatchObject([{ userAgent: 'Kitchen tablet', childId: null, revokedAt: null }])
    const stored = await server.deps.db.prisma.refreshToken.findMany({ where: { sessionId: account.sessions[0]?.id ?? '' } })
    expect(stored.map((row) => Buffer.from(row.tokenHash).toString('hex'))).toEqual([sha256(response.body.data.tokens.refresh_token).toString('hex')])
    expect(stored[0]?.expiresAt.getTime()).toBe(server.clock.now() + 30 * DAY)
  })

  it('mails one verification link to the address', async () => {
    const email = freshEmail()
    await register({ email })
    const [letter] = await waitForLetters(server, email, VERIFY_SUBJECT, 1)
    const link = linkIn(letter as NonNullable<typeof letter>)
    expect(link.origin + link.pathname).toBe(`${server.config.publicUrl}/v1/auth/email/verify`)
    expect(link.searchParams.get('token')).toMatch(/^[\w-]{43}$/)
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['no e-mail', { email: undefined }, 'email'],
    ['a malformed e-mail', { email: 'not-an-address' }, 'email'],
    ['an e-mail with a null character', { email: 'a\u0000b@example.com' }, 'email'],
    ['an e-mail of 255 characters', { email: `${'a'.repeat(57)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(10)}.com` }, 'email'],
    ['no password', { password: undefined }, 'password'],
    ['a password of 7 characters', { password: 'aB3$xY7' }, 'password'],
    ['a password of 129 characters', { password: 'aB3$'.repeat(33).slice(0, 129) }, 'password'],
    ['a common password', { password: 'password1' }, 'password'],
    ['a common password in other letter case', { password: 'PassWord1' }, 'password'],
    ['no display name', { display_name: undefined }, 'display_name'],
    ['an empty display name', { display_name: '   ' }, 'display_name'],
    ['a display name of 81 characters', { display_name: 'x'.repeat(81) }, 'display_name'],
    ['a display name with a line break', { display_name: 'Alex\nBcc: all' }, 'display_name'],
    ['an unknown time zone', { timezone: 'Mars/Olympus_Mons' }, 'timezone'],
    ['no time zone', { timezone: undefined }, 'timezone'],
    ['no consents', { consents: undefined }, 'consents'],
    ['the terms refused', { consents: { ...CONSENTS, terms: false } }, 'consents.terms'],
    ['the privacy notice left out', { consents: { terms: true, coppa: true } }, 'consents.privacy'],
    ['coppa refused', { consents: { ...CONSENTS, coppa: false } }, 'consents.coppa'],
    ['an unknown consent', { consents: { ...CONSENTS, marketing: true } }, 'consents.marketing'],
    ['an unknown field', { role: 'admin' }, 'role'],
  ])('refuses %s, naming the field', async (_name, changes, field) => {
    const before = await server.deps.db.prisma.account.count()
    expectRefusal(await register(changes), 400, 'VALIDATION_ERROR', field)
    expect(await server.deps.db.prisma.account.count()).toBe(before)
  })

  it('refuses the e-mail address as password, in any letter case', async () => {
    const email = freshEmail()
    expectRefusal(await register({ email, password: email.toUpperCase() }), 400, 'VALIDATION_ERROR', 'password')
    expect(await accountsWith(email)).toBe(0)
  })

  it.each([
    ['8 characters', 'aB3$xY7!'],
    ['128 characters', 'aB3$'.repeat(32)],
  ])('takes a password of %s', async (_name, password) => {
    const email = freshEmail()
    expect((await register({ email, password })).status).toBe(201)
    expect((await logIn(server.api, email, password)).status).toBe(200)
  })

  it('refuses malformed JSON, a missing body and another content type', async () => {
    expectRefusal(await server.api.post('/v1/auth/register', { body: '{"email":' }), 400, 'VALIDATION_ERROR', 'body')
    expectRefusal(await server.api.post('/v1/auth/register'), 400, 'VALIDATION_ERROR', 'body')
    const form = await server.api.post('/v1/auth/register', { body: 'email=a', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
    expectRefusal(form, 415, 'VALIDATION_ERROR')
  })

  it('refuses a taken e-mail with 409 in any letter case, and leaves the account as it was', async () => {
    const email = freshEmail()
    await register({ email })
    expectRefusal(await register({ email: email.toUpperCase(), password: 'Another-Otter-99', display_name: 'Thief' }), 409, 'CONFLICT')
    expect(await accountsWith(email)).toBe(1)
    const login = await logIn(server.api, email, PASSWORD)
    expect(login.status).toBe(200)
    expect(login.body.data.parent.display_name).toBe('Alex Parent')
  })

  it('makes exactly one account when two registrations with one e-mail meet', async () => {
    const email = freshEmail()
    const responses = await Promise.all([register({ email }), register({ email: email.toUpperCase() })])
    expect(responses.map((response) => response.status).sort()).toEqual([201, 409])
    const [account] = await server.deps.db.prisma.account.findMany({ where: { emailKey: email }, include: { consents: true, sessions: true } })
    expect(await accountsWith(email)).toBe(1)
    expect([account?.consents.length, account?.sessions.length]).toEqual([3, 1])
  })

  it('replays the first answer for a retry with the same Idempotency-Key', async () => {
    const body = registration()
    const key = newId()
    const first = await server.api.post('/v1/auth/register', { body, key })
    const retry = await server.api.post('/v1/auth/register', { body, key })
    expect([first.status, retry.status, retry.headers['idempotency-replayed']]).toEqual([201, 201, 'true'])
    expect(retry.body).toEqual(first.body)
    expect(await accountsWith(String(body.email))).toBe(1)
    expectRefusal(await server.api.post('/v1/auth/register', { body: { ...body, display_name: 'Other' }, key }), 422, 'UNPROCESSABLE_ENTITY')
  })

  // Attack: whoever can read the logs signs in with what stands there.
  it('writes no password, token or e-mail address to the log', async () => {
    const email = freshEmail()
    const password = 'Canary-Password-4711'
    const response = await register({ email, password })
    await register({ email, password })
    await logIn(server.api, email, 'Canary-Wrong-4712')
    const log = server.logs.join('\n')
    const { access_token: access, refresh_token: refreshToken } = response.body.data.tokens
    for (const secret of [email, password, 'Canary-Wrong-4712', access, refreshToken]) expect(log).not.toContain(secret)
  })
})
