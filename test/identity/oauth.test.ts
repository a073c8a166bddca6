import { createHash, createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CONSENT_VERSIONS } from '../../src/identity/auth.service.ts'
import { HOUR, isoSeconds, SECOND } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { freshEmail, logIn, NEW_PASSWORD, statusOf } from '../helpers/accounts.ts'
import { NOON, testClock } from '../helpers/clock.ts'
import { CONSENTS, expectRefusal } from '../helpers/family.ts'
import { type MintOptions, type OidcIssuer, startOidcIssuer } from '../helpers/oidc-issuer.ts'
import { VERIFY_SUBJECT, waitForLetters } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const GOOGLE = 'https://accounts.google.com'
const APPLE = 'https://appleid.apple.com'

describe('signing in with Google or Apple', () => {
  let server: TestServer
  let google: OidcIssuer
  let apple: OidcIssuer
  const clock = testClock()
  const oauth = (provider: string, body: unknown) => server.api.post(`/v1/auth/oauth/${provider}`, { body })
  const signIn = async (options: MintOptions = {}, body: Record<string, unknown> = { consents: CONSENTS }) =>
    oauth('google', { id_token: await google.mint(options), ...body })
  const accounts = () => server.deps.db.prisma.account.count()

  beforeAll(async () => {
    google = await startOidcIssuer(clock, { issuer: GOOGLE, clientId: 'brainspark-web' })
    apple = await startOidcIssuer(clock, { issuer: APPLE, clientId: 'app.brainspark', algorithm: 'ES256' })
    server = await startTestServer({
      clock,
      env: {
        GOOGLE_CLIENT_ID: 'brainspark-web, brainspark-ios',
        GOOGLE_ISSUER: GOOGLE,
        GOOGLE_JWKS_URL: google.jwksUrl,
        APPLE_CLIENT_ID: apple.clientId,
        APPLE_ISSUER: APPLE,
        APPLE_JWKS_URL: apple.jwksUrl,
      },
    })
  })
  beforeEach(() => clock.set(NOON))
  afterAll(async () => {
    await server.close()
    await google.close()
    await apple.close()
  })

  it('answers 201 to a new person, with tokens that work and an address the provider has proved', async () => {
    const email = freshEmail()
    const response = await signIn({ claims: { email, name: 'Alex Google' } }, { consents: CONSENTS, display_name: 'Alex Parent', timezone: 'Europe/Berlin' })
    expect(response.status).toBe(201)
    expect(response.body).toEqual({
      data: {
        parent: {
          id: expect.any(String),
          email,
          display_name: 'Alex Parent',
          children_count: 0,
          email_verified: true,
          created_at: isoSeconds(clock.now()),
        },
        tokens: { access_token: expect.any(String), refresh_token: expect.any(String), expires_in: 86_400 },
      },
      meta: { request_id: response.headers['x-request-id'] },
    })
    expect(await statusOf(server.api, response.body.data.tokens.access_token)).toBe(200)
  })

  it('stores account, profile, identity and consents with versions, way and time', async () => {
    const subject = newId()
    const response = await signIn({ claims: { sub: subject, name: 'Alex Google' } })
    const account = await server.deps.db.prisma.account.findUniqueOrThrow({
      where: { id: response.body.data.parent.id },
      include: { consents: { orderBy: { document: 'asc' } }, oauthIdentities: true, parent: true, emailLinks: true },
    })
    expect(account).toMatchObject({ passwordHash: null, emailVerifiedAt: new Date(NOON), parent: { displayName: 'Alex Google' }, emailLinks: [] })
    expect(account.oauthIdentities).toMatchObject([{ provider: 'google', subject, linkedAt: new Date(NOON) }])
    expect(account.consents.map(({ document, version, source, acceptedAt }) => ({ document, version, source, acceptedAt }))).toEqual(
      (['coppa', 'privacy', 'terms'] as const).map((document) => ({
        document,
        version: CONSENT_VERSIONS[document],
        source: 'oauth:google',
        acceptedAt: new Date(NOON),
      })),
    )
  })

  it('answers 200 to a known person without consents, and makes nothing new', async () => {
    const claims = { sub: newId(), email: freshEmail() }
    const first = await signIn({ claims })
    const before = await accounts()
    const again = await signIn({ claims: { ...claims, email: freshEmail() } }, {})
    expect([again.status, again.body.data.parent.id]).toEqual([200, first.body.data.parent.id])
    expect(again.body.data.parent.email).toBe(claims.email)
    expect(await accounts()).toBe(before)
    expect(await server.deps.db.prisma.consent.count({ where: { accountId: first.body.data.parent.id } })).toBe(3)
  })

  it('knows a person of Apple who no longer shares an e-mail address', async () => {
    const sub = newId()
    const first = await oauth('apple', { id_token: await apple.mint({ claims: { sub, email_verified: 'true' } }), consents: CONSENTS })
    expect([first.status, first.body.data.parent.email_verified]).toEqual([201, true])
    const again = await oauth('apple', { id_token: await apple.mint({ claims: { sub, email: undefined, email_verified: undefined } }) })
    expect([again.status, again.body.data.parent.id]).toEqual([200, first.body.data.parent.id])
  })

  it('takes one subject at two providers for two people', async () => {
    const sub = newId()
    const first = await signIn({ claims: { sub } })
    const second = await oauth('apple', { id_token: await apple.mint({ claims: { sub } }), consents: CONSENTS })
    expect(second.status).toBe(201)
    expect(second.body.data.parent.id).not.toBe(first.body.data.parent.id)
  })

  it('mails a verification link when the provider has not verified the address', async () => {
    const email = freshEmail()
    const response = await signIn({ claims: { email, email_verified: false } })
    expect([response.status, response.body.data.parent.email_verified]).toEqual([201, false])
    expect(await waitForLetters(server, email, VERIFY_SUBJECT, 1)).toHaveLength(1)
  })

  it('refuses a new person without an e-mail address with 422', async () => {
    const before = await accounts()
    expectRefusal(await signIn({ claims: { email: undefined } }), 422, 'UNPROCESSABLE_ENTITY')
    expect(await accounts()).toBe(before)
  })

  it('gives a person whose provider tells a blank name one to be shown', async () => {
    const response = await signIn({ claims: { name: '   ' } })
    expect(response.status).toBe(201)
    expect(response.body.data.parent.display_name.trim()).not.toBe('')
  })

  it('makes one account when two first logins meet', async () => {
    const claims = { sub: newId(), email: freshEmail() }
    const responses = await Promise.all([signIn({ claims }), signIn({ claims })])
    expect(responses.map((response) => response.status).sort()).toEqual([200, 201])
    expect(responses[0]?.body.data.parent.id).toBe(responses[1]?.body.data.parent.id)
    expect(await server.deps.db.prisma.account.count({ where: { emailKey: claims.email } })).toBe(1)
    expect(await server.deps.db.prisma.oauthIdentity.count({ where: { subject: claims.sub } })).toBe(1)
  })

  it('opens an account without a password, which no password opens until its parent sets one', async () => {
    const email = freshEmail()
    const { access_token: token } = (await signIn({ claims: { email } })).body.data.tokens
    expectRefusal(await logIn(server.api, email, 'Any-Password-123'), 401, 'UNAUTHORIZED')
    expect((await server.api.post('/v1/auth/password', { token, body: { new_password: NEW_PASSWORD } })).status).toBe(204)
    expect((await logIn(server.api, email, NEW_PASSWORD)).status).toBe(200)
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['no id_token', { id_token: undefined }, 'id_token'],
    ['an empty id_token', { id_token: '' }, 'id_token'],
    ['no consents for a new account', { consents: undefined }, 'consents'],
    ['a consent refused', { consents: { ...CONSENTS, coppa: false } }, 'consents.coppa'],
    ['an empty display name', { display_name: ' ' }, 'display_name'],
    ['an unknown time zone', { timezone: 'Mars/Base' }, 'timezone'],
    ['an empty nonce', { nonce: '' }, 'nonce'],
    ['an unknown field', { access_token: 'x' }, 'access_token'],
  ])('refuses %s, naming the field, and makes no account', async (_name, changes, field) => {
    const before = await accounts()
    const response = await oauth('google', { id_token: await google.mint(), consents: CONSENTS, ...changes })
    expectRefusal(response, 400, 'VALIDATION_ERROR', field)
    expect(await accounts()).toBe(before)
  })

  it('refuses a provider that the contract does not name', async () => {
    expectRefusal(await oauth('facebook', { id_token: await google.mint(), consents: CONSENTS }), 400, 'VALIDATION_ERROR', 'provider')
  })

  it.each(['accounts.google.com', GOOGLE])('takes Google as the issuer in both of its spellings (%s)', async (iss) => {
    expect((await signIn({ claims: { iss } })).status).toBe(201)
  })

  it.each(['brainspark-web', 'brainspark-ios'])('takes each configured client (%s) as audience', async (aud) => {
    expect((await signIn({ claims: { aud } })).status).toBe(201)
  })

  // Attack: an id_token that was not issued by the provider, for us, for this login.
  describe('an id_token', () => {
    const refuses = async (token: string, provider = 'google') => {
      const before = await accounts()
      expectRefusal(await oauth(provider, { id_token: token, consents: CONSENTS }), 401, 'UNAUTHORIZED')
      expect(await accounts()).toBe(before)
    }

    it.each<[string, MintOptions]>([
      ['for another client', { claims: { aud: 'another-app' } }],
      ['for nobody', { claims: { aud: undefined } }],
      ['of another issuer', { claims: { iss: 'https://accounts.google.com.evil.example' } }],
      ['of no issuer', { claims: { iss: undefined } }],
      ['without a subject', { claims: { sub: undefined } }],
      ['without an expiry', { claims: { exp: undefined } }],
      ['without a time of issue', { claims: { iat: undefined } }],
      ['that is not valid yet', { claims: { nbf: Math.floor(NOON / SECOND) + 3600 } }],
      ['signed with another key', { foreignKey: true }],
      ['naming an unknown key', { kid: 'unknown' }],
      ['of the other provider', { claims: { iss: APPLE } }],
    ])('%s is refused', async (_name, options) => {
      await refuses(await google.mint(options))
    })

    it('that is garbage is refused', async () => {
      for (const token of ['garbage', 'a.b.c', '..', '{}']) await refuses(token)
    })

    it('whose payload was changed, whose signature is missing or is an HMAC with the public key is refused', async () => {
      const [header = '', payload = '', signature = ''] = (await google.mint()).split('.')
      const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as object
      const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid: string }
      await refuses(`${header}.${encoded({ ...claims, sub: 'victim' })}.${signature}`)
      await refuses(`${encoded({ alg: 'none', kid })}.${payload}.`)
      const confused = `${encoded({ alg: 'HS256', kid })}.${payload}`
      await refuses(`${confused}.${createHmac('sha256', google.publicPem).update(confused).digest('base64url')}`)
    })

    it('of Apple at the door of Google, and the other way round, is refused', async () => {
      await refuses(await apple.mint(), 'google')
      await refuses(await google.mint(), 'apple')
    })

    it('that has expired answers TOKEN_EXPIRED, half a minute of clock difference forgiven', async () => {
      const [early, late] = [await google.mint(), await google.mint()]
      clock.advance(HOUR + 29 * SECOND)
      expect((await oauth('google', { id_token: early, consents: CONSENTS })).status).toBe(201)
      clock.advance(SECOND)
      expectRefusal(await oauth('google', { id_token: late, consents: CONSENTS }), 401, 'TOKEN_EXPIRED')
    })
  })

  // Attack: an id_token that was caught elsewhere and is shown again here.
  describe('the nonce', () => {
    const nonce = 'n-0S6_WzA2Mj'
    const sha256Hex = createHash('sha256').update(nonce).digest('hex')

    it.each<[string, string | undefined, string | undefined]>([
      ['missing in the request', nonce, undefined],
      ['missing in the token', undefined, nonce],
      ['wrong', nonce, 'another'],
      ['given as the hash that the token shows', sha256Hex, 'another'],
      ['hashed where the token has it plain', nonce, sha256Hex],
    ])('%s is refused', async (_name, claimed, given) => {
      const before = await accounts()
      expectRefusal(await signIn({ claims: { nonce: claimed } }, { consents: CONSENTS, ...(given !== undefined && { nonce: given }) }), 401, 'UNAUTHORIZED')
      expect(await accounts()).toBe(before)
    })

    it.each([
      ['plain', nonce],
      ['its SHA-256 in hex', sha256Hex],
    ])('is accepted when the token shows it %s', async (_name, claimed) => {
      expect((await signIn({ claims: { nonce: claimed } }, { consents: CONSENTS, nonce })).status).toBe(201)
    })
  })
})
