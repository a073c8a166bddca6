import { createHmac } from 'node:crypto'
import { createLocalJWKSet, decodeProtectedHeader, generateKeyPair, importPKCS8, type JSONWebKeySet, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DAY, SECOND } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { childStatusOf, logIn, refresh, statusOf } from '../helpers/accounts.ts'
import { testClock } from '../helpers/clock.ts'
import { childToken, createChild, expectRefusal, makeFamily, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as JWTPayload

describe('access tokens', () => {
  let server: TestServer
  const clock = testClock()
  const me = (headers: Record<string, string>) => server.api.get('/v1/parents/me', { headers })
  const keySet = async () => (await server.api.get('/.well-known/jwks.json')).body as JSONWebKeySet
  const verified = async (token: string) =>
    jwtVerify(token, createLocalJWKSet(await keySet()), { issuer: 'brainspark.app', currentDate: new Date(clock.now()) })

  beforeAll(async () => {
    server = await startTestServer({ clock })
  })
  afterAll(() => server.close())

  it('publishes one RSA signing key, its public half only', async () => {
    const response = await server.api.get('/.well-known/jwks.json')
    expect(response.status).toBe(200)
    expect(response.headers['cache-control']).toBe('public, max-age=3600')
    expect(response.body).toEqual({ keys: [{ kty: 'RSA', use: 'sig', alg: 'RS256', e: 'AQAB', n: expect.any(String), kid: expect.any(String) }] })
  })

  it('carries the claims of section 2.2 and the session, signed by the published key', async () => {
    const family = await makeFamily(server.api)
    const second = await createChild(server.api, family.token, { name: 'Noah' })
    const login = await logIn(server.api, family.email)
    const token = login.body.data.tokens.access_token
    const { payload, protectedHeader } = await verified(token)
    const iat = Math.floor(clock.now() / SECOND)
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT', kid: (await keySet()).keys[0]?.kid })
    expect(payload).toEqual({
      sub: family.id,
      email: family.email,
      type: 'parent',
      children: [family.childId, second],
      iat,
      exp: iat + 86_400,
      iss: 'brainspark.app',
      sid: expect.stringMatching(UUID),
    })
  })

  it('carries the same claims after registration and refresh, with the children of that moment', async () => {
    const parent = await registerParent(server.api)
    expect((await verified(parent.token)).payload).toMatchObject({ sub: parent.id, type: 'parent', children: [] })
    const childId = await createChild(server.api, parent.token)
    const refreshed = await refresh(server.api, parent.refreshToken)
    const { payload } = await verified(refreshed.body.data.access_token)
    expect(payload).toEqual({ ...payloadOf(parent.token), children: [childId] })
  })

  it('gives a child token claims that name the child, its parent and a session of its own for 30 days', async () => {
    const family = await makeFamily(server.api)
    const { payload } = await verified(await childToken(server.api, family))
    expect(payload).toMatchObject({ sub: family.childId, type: 'child', parent: family.id, iss: 'brainspark.app', sid: expect.stringMatching(UUID) })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(30 * 86_400)
    expect(payload).not.toHaveProperty('email')
    expect(payload.sid).not.toBe(payloadOf(family.token).sid)
  })

  it('works to its last second and answers TOKEN_EXPIRED from then on', async () => {
    const family = await makeFamily(server.api)
    const child = await childToken(server.api, family)
    clock.advance(DAY - SECOND)
    expect(await statusOf(server.api, family.token)).toBe(200)
    clock.advance(SECOND)
    const expired = await server.api.get('/v1/parents/me', { token: family.token })
    expectRefusal(expired, 401, 'TOKEN_EXPIRED')
    expect(expired.headers['www-authenticate']).toMatch(/^Bearer/)
    expect(await childStatusOf(server.api, child)).toBe(200)
    clock.advance(29 * DAY)
    expectRefusal(await server.api.get('/v1/topics', { token: child }), 401, 'TOKEN_EXPIRED')
  })

  it('costs no query to check', async () => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    const { result, roundTrips } = await server.deps.db.countRoundTrips(() => server.api.get('/v1/parents/me', { token }))
    expectRefusal(result, 403, 'FORBIDDEN')
    expect(roundTrips).toBe(0)
  })

  it.each<[string, (token: string) => Record<string, string>]>([
    ['no header', () => ({})],
    ['an empty header', () => ({ authorization: '' })],
    ['no scheme', (token) => ({ authorization: token })],
    ['another scheme', (token) => ({ authorization: `Basic ${token}` })],
    ['two tokens', (token) => ({ authorization: `Bearer ${token} ${token}` })],
    ['two parts', (token) => ({ authorization: `Bearer ${token.split('.').slice(0, 2).join('.')}` })],
    ['garbage', () => ({ authorization: 'Bearer a.b.c' })],
    ['garbage that is JSON', () => ({ authorization: `Bearer ${encoded(null)}.${encoded([])}.${encoded(1)}` })],
    ['the token in a cookie', (token) => ({ cookie: `token=${token}` })],
  ])('refuses %s with UNAUTHORIZED', async (_name, headersOf) => {
    const { token } = await registerParent(server.api)
    expectRefusal(await me(headersOf(token)), 401, 'UNAUTHORIZED')
  })

  it('refuses a refresh token as an access token, and a token in the query', async () => {
    const parent = await registerParent(server.api)
    expectRefusal(await server.api.get('/v1/parents/me', { token: parent.refreshToken }), 401, 'UNAUTHORIZED')
    const inQuery = await server.api.get(`/v1/parents/me?token=${parent.token}&access_token=${parent.token}`)
    expectRefusal(inQuery, 401, 'UNAUTHORIZED')
  })

  describe('forged', () => {
    const refuses = async (token: string) => expectRefusal(await server.api.get('/v1/parents/me', { token }), 401, 'UNAUTHORIZED')

    // Attack: "alg": "none" tells a careless verifier to skip the signature.
    it.each(['none', 'None', 'NONE'])('without a signature (alg %s) is refused', async (alg) => {
      const { token } = await registerParent(server.api)
      const unsigned = `${encoded({ alg, typ: 'JWT' })}.${encoded(payloadOf(token))}`
      for (const signature of ['', 'AA', token.split('.')[2] ?? '']) await refuses(`${unsigned}.${signature}`)
    })

    // Attack: algorithm confusion: the public key, which everybody has, taken as the secret of an HMAC.
    it.each(['HS256', 'HS512'])('with the public key as %s secret is refused', async (alg) => {
      const { token } = await registerParent(server.api)
      const { publicPem, jwk } = server.deps.signingKey
      const content = `${encoded({ alg, typ: 'JWT', kid: jwk.kid })}.${encoded(payloadOf(token))}`
      const digest = alg.replace('HS', 'sha')
      for (const secret of [publicPem, publicPem.trim(), JSON.stringify(jwk)]) {
        await refuses(`${content}.${createHmac(digest, secret).update(content).digest('base64url')}`)
      }
    })

    // Attack: a token signed with the attacker's own key, which it brings along or passes off as ours.
    it('with another RSA key is refused, whatever its header claims', async () => {
      const { token } = await registerParent(server.api)
      const { privateKey } = await generateKeyPair('RS256')
      const theirs = { alg: 'RS256', typ: 'JWT', kid: server.deps.signingKey.jwk.kid }
      const jku = 'http://127.0.0.1:9/jwks.json'
      for (const header of [theirs, { ...theirs, kid: 'attacker' }, { ...theirs, jwk: (await keySet()).keys[0] }, { ...theirs, jku }]) {
        await refuses(await new SignJWT(payloadOf(token)).setProtectedHeader(header).sign(privateKey))
      }
    })

    // Attack: changing who the token speaks for under the old signature.
    it.each<[string, Record<string, unknown>]>([
      ['another subject', { sub: newId() }],
      ['a later expiry', { exp: 4_102_444_800 }],
      ['another session', { sid: newId() }],
      ['another type', { type: 'child', parent: newId() }],
    ])('by giving the payload %s is refused', async (_name, changes) => {
      const { token } = await registerParent(server.api)
      const [header, , signature] = token.split('.')
      await refuses(`${header}.${encoded({ ...payloadOf(token), ...changes })}.${signature}`)
    })

    // Attack: a token of another service that happens to share our key.
    it.each([
      ['another', 'evil.example'],
      ['no', undefined],
      ['a longer', 'brainspark.app.evil.example'],
    ])('naming %s issuer is refused, even under our key', async (_name, iss) => {
      const { token } = await registerParent(server.api)
      const ownKey = await importPKCS8(server.deps.signingKey.privatePem, 'RS256')
      const header = decodeProtectedHeader(token) as { alg: string }
      const signed = (claims: JWTPayload) => new SignJWT(claims).setProtectedHeader(header).sign(ownKey)
      await refuses(await signed({ ...payloadOf(token), iss }))
      expect(await statusOf(server.api, await signed(payloadOf(token)))).toBe(200)
    })

    it('and expired answers UNAUTHORIZED, telling nothing about a token that was never ours', async () => {
      const { token } = await registerParent(server.api)
      const [header, , signature] = token.split('.')
      await refuses(`${header}.${encoded({ ...payloadOf(token), exp: 1 })}.${signature}`)
    })
  })
})
