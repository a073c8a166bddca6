import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { childStatusOf, freshEmail, livingSessions, logIn, NEW_PASSWORD, refresh, statusOf, verifyAddress } from '../helpers/accounts.ts'
import { testClock } from '../helpers/clock.ts'
import { CONSENTS, childToken, expectRefusal, makeFamily, PASSWORD, registerParent } from '../helpers/family.ts'
import { type OidcIssuer, startOidcIssuer } from '../helpers/oidc-issuer.ts'
import { resetToken, verificationToken } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('linking a provider to an account that exists', () => {
  let server: TestServer
  let google: OidcIssuer
  let apple: OidcIssuer
  const clock = testClock()
  const signIn = async (issuer: OidcIssuer, claims: Readonly<Record<string, unknown>>) =>
    server.api.post(`/v1/auth/oauth/${issuer === google ? 'google' : 'apple'}`, { body: { id_token: await issuer.mint({ claims }), consents: CONSENTS } })
  const identitiesOf = async (accountId: string) =>
    (await server.deps.db.prisma.oauthIdentity.findMany({ where: { accountId }, orderBy: { provider: 'asc' } })).map(({ provider }) => provider)

  beforeAll(async () => {
    google = await startOidcIssuer(clock, { issuer: 'https://google.test', clientId: 'web', algorithm: 'ES256' })
    apple = await startOidcIssuer(clock, { issuer: 'https://apple.test', clientId: 'app', algorithm: 'ES256' })
    server = await startTestServer({
      clock,
      env: {
        GOOGLE_CLIENT_ID: google.clientId,
        GOOGLE_ISSUER: google.issuer,
        GOOGLE_JWKS_URL: google.jwksUrl,
        APPLE_CLIENT_ID: apple.clientId,
        APPLE_ISSUER: apple.issuer,
        APPLE_JWKS_URL: apple.jwksUrl,
      },
    })
  })
  afterAll(async () => {
    await server.close()
    await google.close()
    await apple.close()
  })

  // Attack: an account at the provider under the victim's address, which the provider never checked.
  it.each<[string, unknown]>([
    ['false', false],
    ['"false"', 'false'],
    ['missing', undefined],
    ['1', 1],
  ])('never happens by an address the provider has not verified (email_verified %s)', async (_name, verified) => {
    const parent = await registerParent(server.api)
    await verifyAddress(server, parent.email)
    expectRefusal(await signIn(google, { email: parent.email, email_verified: verified }), 409, 'CONFLICT')
    expect(await identitiesOf(parent.id)).toEqual([])
    expect(await livingSessions(server, parent.id)).toBe(1)
  })

  it('keeps password and sessions of an account whose address was verified', async () => {
    const parent = await registerParent(server.api)
    await verifyAddress(server, parent.email)
    const sub = newId()
    const response = await signIn(google, { sub, email: parent.email.toUpperCase() })
    expect([response.status, response.body.data.parent.id]).toEqual([200, parent.id])
    expect(await identitiesOf(parent.id)).toEqual(['google'])
    expect(await statusOf(server.api, parent.token)).toBe(200)
    expect((await logIn(server.api, parent.email)).status).toBe(200)
    expect((await signIn(google, { sub, email: undefined })).body.data.parent.id).toBe(parent.id)
  })

  // Attack: registering with the victim's address and a known password, and waiting until the victim signs in with Google.
  it('shuts out whoever made the account without ever proving the address', async () => {
    const squatter = await makeFamily(server.api)
    const child = await childToken(server.api, squatter)
    const response = await signIn(google, { email: squatter.email })
    expect([response.status, response.body.data.parent.id, response.body.data.parent.email_verified]).toEqual([200, squatter.id, true])
    const account = await server.deps.db.prisma.account.findUniqueOrThrow({ where: { id: squatter.id } })
    expect([account.passwordHash, account.emailVerifiedAt?.getTime()]).toEqual([null, clock.now()])
    expectRefusal(await logIn(server.api, squatter.email, PASSWORD), 401, 'UNAUTHORIZED')
    expectRefusal(await refresh(server.api, squatter.refreshToken), 401, 'UNAUTHORIZED')
    expect([await statusOf(server.api, squatter.token), await childStatusOf(server.api, child)]).toEqual([401, 401])
    expect(await statusOf(server.api, response.body.data.tokens.access_token)).toBe(200)
    const ended = await server.deps.db.prisma.session.findMany({ where: { accountId: squatter.id, revokedAt: { not: null } } })
    expect(ended.map((session) => session.revokedReason)).toEqual(['oauth_linked', 'oauth_linked'])
  })

  // Attack: the same through a provider that hands out addresses it has not checked: its identity is the squatter's key.
  it('shuts out an identity of another provider that was linked without proof of the address', async () => {
    const email = freshEmail()
    const squatter = { sub: newId(), email, email_verified: false }
    const squatted = await signIn(apple, squatter)
    expect(squatted.status).toBe(201)
    const victim = await signIn(google, { email })
    expect(victim.status).toBe(200)
    expect(await statusOf(server.api, squatted.body.data.tokens.access_token)).toBe(401)
    expectRefusal(await signIn(apple, squatter), 409, 'CONFLICT')
    expect(await identitiesOf(victim.body.data.parent.id)).toEqual(['google'])
  })

  // Attack: as above, but the victim takes the account over with a reset link.
  it('shuts out an identity that was linked without proof of the address when a reset link proves it', async () => {
    const email = freshEmail()
    const squatter = { sub: newId(), email, email_verified: false }
    const squatted = await signIn(apple, squatter)
    const token = await resetToken(server, email)
    expect((await server.api.post('/v1/auth/password/reset', { body: { token, password: NEW_PASSWORD } })).status).toBe(204)
    expectRefusal(await signIn(apple, squatter), 409, 'CONFLICT')
    expect(await identitiesOf(squatted.body.data.parent.id)).toEqual([])
    expect((await logIn(server.api, email, NEW_PASSWORD)).status).toBe(200)
  })

  it('keeps the identity of a parent who proves the address by the mailed link', async () => {
    const claims = { sub: newId(), email: freshEmail(), email_verified: false }
    const first = await signIn(apple, claims)
    const token = await verificationToken(server, claims.email)
    expect((await server.api.post('/v1/auth/email/verify', { body: { token } })).status).toBe(204)
    const again = await signIn(apple, claims)
    expect([again.status, again.body.data.parent.id, again.body.data.parent.email_verified]).toEqual([200, first.body.data.parent.id, true])
  })

  it('links both providers to one account, one after the other and at the same moment', async () => {
    const email = freshEmail()
    const responses = await Promise.all([signIn(google, { email }), signIn(apple, { email })])
    expect(responses.map((response) => response.status).sort()).toEqual([200, 201])
    const [first, second] = responses.map((response) => response.body.data.parent.id as string)
    expect(first).toBe(second)
    expect(await identitiesOf(first ?? '')).toEqual(['apple', 'google'])
    expect(await server.deps.db.prisma.account.count({ where: { emailKey: email } })).toBe(1)
  })

  it('makes one account when a first login and a registration with the same address meet', async () => {
    const email = freshEmail()
    const body = { email, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents: CONSENTS }
    const [login, registered] = await Promise.all([signIn(google, { email }), server.api.post('/v1/auth/register', { body })])
    expect([200, 201]).toContain(login.status)
    expect([201, 409]).toContain(registered.status)
    expect([login.status, registered.status].filter((status) => status === 201)).toHaveLength(1)
    const account = await server.deps.db.prisma.account.findUniqueOrThrow({ where: { emailKey: email } })
    expect([account.passwordHash, account.emailVerifiedAt?.getTime()]).toEqual([null, clock.now()])
  })
})

describe('a provider that cannot be asked', () => {
  const clock = testClock()
  const serverWith = (env: Record<string, string>) => startTestServer({ clock, env })

  it('is refused with 422 when it is not configured', async () => {
    const google = await startOidcIssuer(clock, { issuer: 'https://google.test', clientId: 'web', algorithm: 'ES256' })
    const server = await serverWith({ GOOGLE_ISSUER: google.issuer, GOOGLE_JWKS_URL: google.jwksUrl })
    try {
      for (const provider of ['google', 'apple']) {
        const response = await server.api.post(`/v1/auth/oauth/${provider}`, { body: { id_token: await google.mint(), consents: CONSENTS } })
        expectRefusal(response, 422, 'UNPROCESSABLE_ENTITY')
      }
    } finally {
      await server.close()
      await google.close()
    }
  })

  it('is answered with 503 and Retry-After when its keys cannot be fetched, and makes no account', async () => {
    const gone = await startOidcIssuer(clock, { issuer: 'https://google.test', clientId: 'web', algorithm: 'ES256' })
    await gone.close()
    const broken = await startOidcIssuer(clock, { issuer: 'https://apple.test', clientId: 'app', algorithm: 'ES256', status: 500 })
    const server = await serverWith({
      GOOGLE_CLIENT_ID: gone.clientId,
      GOOGLE_ISSUER: gone.issuer,
      GOOGLE_JWKS_URL: gone.jwksUrl,
      APPLE_CLIENT_ID: broken.clientId,
      APPLE_ISSUER: broken.issuer,
      APPLE_JWKS_URL: broken.jwksUrl,
    })
    try {
      for (const [provider, issuer] of [['google', gone] as const, ['apple', broken] as const]) {
        const response = await server.api.post(`/v1/auth/oauth/${provider}`, { body: { id_token: await issuer.mint(), consents: CONSENTS } })
        expectRefusal(response, 503, 'SERVICE_UNAVAILABLE')
        expect([response.headers['retry-after'], response.body.error.retry_after]).toEqual(['5', 5])
      }
      expect(await server.deps.db.prisma.account.count()).toBe(0)
    } finally {
      await server.close()
      await broken.close()
    }
  })
})
