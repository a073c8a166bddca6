import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MINUTE, SECOND } from '../../src/platform/clock.ts'
import { freshEmail, refresh, registration } from '../helpers/accounts.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { NOON, testClock } from '../helpers/clock.ts'
import { expectRefusal, PASSWORD, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('rate limits of authentication', () => {
  let server: TestServer
  let networks = 0
  const clock = testClock()
  /** An address that no other test counts against. */
  const freshIp = () => `198.51.${Math.floor(networks / 250)}.${(networks++ % 250) + 1}`
  /** A login without a password: counted, and refused before the database is asked. */
  const attempt = (ip: string, email: string) => server.api.post('/v1/auth/login', { body: { email }, ip })
  const attempts = async (count: number, ip: string, emailOf: (n: number) => string) => {
    for (let n = 0; n < count; n += 1) expectRefusal(await attempt(ip, emailOf(n)), 400, 'VALIDATION_ERROR', 'password')
  }
  const limitHeaders = ({ headers }: ApiResponse) => [headers['x-ratelimit-limit'], headers['x-ratelimit-remaining'], headers['x-ratelimit-reset']]
  const resetSeconds = () => String(Math.ceil((clock.now() + MINUTE) / SECOND))

  beforeAll(async () => {
    server = await startTestServer({ clock, env: { RATE_LIMIT_MULTIPLIER: '1' } })
  })
  beforeEach(() => clock.set(NOON))
  afterAll(() => server.close())

  it('allows five a minute and refuses the sixth with the headers and the body of section 9', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    const reset = resetSeconds()
    const seen = []
    for (let n = 0; n < 5; n += 1) seen.push(limitHeaders(await attempt(ip, email)))
    expect(seen).toEqual(['4', '3', '2', '1', '0'].map((remaining) => ['5', remaining, reset]))
    clock.advance(20 * SECOND)
    const refused = await attempt(ip, email)
    expectRefusal(refused, 429, 'RATE_LIMITED')
    expect(limitHeaders(refused)).toEqual(['5', '0', reset])
    expect(refused.headers['retry-after']).toBe('40')
    expect(refused.body.error).toEqual({
      code: 'RATE_LIMITED',
      message: 'Too many requests. Please wait before trying again.',
      retry_after: 40,
      request_id: refused.headers['x-request-id'],
    })
  })

  it('carries the limit headers on answers that succeed, and Retry-After only on a refusal', async () => {
    const response = await server.api.post('/v1/auth/register', { body: registration(), ip: freshIp() })
    expect(response.status).toBe(201)
    expect(limitHeaders(response)).toEqual(['5', '4', resetSeconds()])
    expect(response.headers).not.toHaveProperty('retry-after')
  })

  it('refuses the sixth even with the right password, and allows it again after the minute', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    await server.api.post('/v1/auth/register', { body: registration({ email }), ip: freshIp() })
    await attempts(5, ip, () => email)
    const login = () => server.api.post('/v1/auth/login', { body: { email, password: PASSWORD }, ip })
    expectRefusal(await login(), 429, 'RATE_LIMITED')
    clock.advance(MINUTE - 1)
    expectRefusal(await login(), 429, 'RATE_LIMITED')
    clock.advance(1)
    expect((await login()).status).toBe(200)
  })

  it('counts logins, registrations and forgotten passwords of one e-mail together, in any letter case', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    await attempts(3, ip, (n) => (n % 2 === 0 ? email.toUpperCase() : ` ${email}`))
    await server.api.post('/v1/auth/register', { body: { email }, ip })
    await server.api.post('/v1/auth/password/forgot', { body: { email }, ip })
    expectRefusal(await attempt(ip, email), 429, 'RATE_LIMITED')
  })

  it('leaves another e-mail from the same address, and the same e-mail from another address, alone', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    await attempts(5, ip, () => email)
    expectRefusal(await attempt(ip, email), 429, 'RATE_LIMITED')
    expectRefusal(await attempt(ip, freshEmail()), 400, 'VALIDATION_ERROR', 'password')
    expectRefusal(await attempt(freshIp(), email), 400, 'VALIDATION_ERROR', 'password')
  })

  // Attack: one guess for each of many addresses, from one machine.
  it('refuses the 61st of an address whatever the e-mail, with headers and body as of any limit', async () => {
    const ip = freshIp()
    await attempts(60, ip, (n) => `parent${n}@example.com`)
    const refused = await attempt(ip, freshEmail())
    expectRefusal(refused, 429, 'RATE_LIMITED')
    expect([refused.headers['retry-after'], refused.body.error.retry_after]).toEqual(['60', 60])
    expectRefusal(await attempt(freshIp(), freshEmail()), 400, 'VALIDATION_ERROR', 'password')
    expect(limitHeaders(refused)).toEqual(['60', '0', resetSeconds()])
  })

  // Attack: a home line has 2^64 IPv6 addresses; each must not be a fresh start.
  it('counts IPv6 addresses of one /64 as one, and those of another apart', async () => {
    const email = freshEmail()
    const spellings = ['2001:db8:1:2::1', '2001:db8:1:2::2', '2001:0db8:0001:0002:ffff:ffff:ffff:ffff', '2001:DB8:1:2:a::', '2001:db8:1:2:0:0:0:9']
    for (const ip of spellings) expectRefusal(await attempt(ip, email), 400, 'VALIDATION_ERROR', 'password')
    expectRefusal(await attempt('2001:db8:1:2:abcd::7', email), 429, 'RATE_LIMITED')
    expectRefusal(await attempt('2001:db8:1:3::1', email), 400, 'VALIDATION_ERROR', 'password')
  })

  it('counts an IPv4 address alike when it comes wrapped in IPv6', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    await attempts(4, ip, () => email)
    await attempt(`::ffff:${ip}`, email)
    expectRefusal(await attempt(ip, email), 429, 'RATE_LIMITED')
  })

  // Attack: a made-up X-Forwarded-For for each guess, where no proxy is trusted.
  it('goes by the address of the connection, not by what a header claims', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    await attempts(5, ip, () => email)
    const forged = await server.api.post('/v1/auth/login', { body: { email }, ip, headers: { 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9' } })
    expectRefusal(forged, 429, 'RATE_LIMITED')
  })

  it('is counted apart from everything else', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    const { body } = await server.api.post('/v1/auth/register', { body: registration({ email }), ip })
    await attempts(4, ip, () => email)
    expectRefusal(await attempt(ip, email), 429, 'RATE_LIMITED')
    const me = await server.api.get('/v1/parents/me', { token: body.data.tokens.access_token, ip })
    expect([me.status, ...limitHeaders(me)]).toEqual([200, '100', '99', resetSeconds()])
    expect((await server.api.post('/v1/auth/refresh', { body: { refresh_token: body.data.tokens.refresh_token }, ip })).status).toBe(200)
  })

  // Attack: made-up refresh tokens, each a query, counted by no session.
  it('counts refreshes with unknown tokens by address', async () => {
    const attempt = () => server.api.post('/v1/auth/refresh', { body: { refresh_token: 'a'.repeat(43) }, ip: '203.0.113.77' })
    const statuses: number[] = []
    for (let count = 0; count < 62; count += 1) statuses.push((await attempt()).status)
    expect([statuses.slice(0, 60).every((status) => status === 401), ...statuses.slice(60)]).toEqual([true, 429, 429])
  })

  it('allows a session thirty refreshes a minute, and other sessions theirs', async () => {
    const parent = await registerParent(server.api)
    const login = await server.api.post('/v1/auth/login', { body: { email: parent.email, password: PASSWORD } })
    const reset = resetSeconds()
    for (let n = 1; n <= 30; n += 1) {
      const response = await refresh(server.api, parent.refreshToken)
      expect([response.status, ...limitHeaders(response)]).toEqual([200, '30', String(30 - n), reset])
    }
    const refused = await refresh(server.api, parent.refreshToken)
    expectRefusal(refused, 429, 'RATE_LIMITED')
    expect([refused.headers['retry-after'], refused.body.error.retry_after]).toEqual(['60', 60])
    expect((await refresh(server.api, login.body.data.tokens.refresh_token)).status).toBe(200)
    expect(limitHeaders(refused)).toEqual(['30', '0', reset])
    clock.advance(MINUTE)
    expect((await refresh(server.api, parent.refreshToken)).status).toBe(200)
  })

  it('lets parallel attempts use up the same five', async () => {
    const [ip, email] = [freshIp(), freshEmail()]
    const responses = await Promise.all(Array.from({ length: 12 }, () => attempt(ip, email)))
    expect(responses.map((response) => response.status).sort()).toEqual([...Array(5).fill(400), ...Array(7).fill(429)])
  })
})
