import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DAY, MINUTE, SECOND } from '../../src/platform/clock.ts'
import { sha256 } from '../../src/platform/crypto-box.ts'
import { anotherDevice, livingSessions, refresh, sessionOf, statusOf } from '../helpers/accounts.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { NOON, testClock } from '../helpers/clock.ts'
import { expectRefusal, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const statuses = (responses: readonly ApiResponse[]) => [...new Set(responses.map((response) => response.status))]
const newTokenOf = (response: ApiResponse): string => response.body.data.refresh_token

describe('refreshing', () => {
  let server: TestServer
  const clock = testClock()
  const tokenRow = (token: string) => server.deps.db.prisma.refreshToken.findUniqueOrThrow({ where: { tokenHash: new Uint8Array(sha256(token)) } })
  const times = (count: number, token: string, rotate?: boolean) => Promise.all(Array.from({ length: count }, () => refresh(server.api, token, rotate)))

  beforeAll(async () => {
    server = await startTestServer({ clock })
  })
  beforeEach(() => clock.set(NOON))
  afterAll(() => server.close())

  it('answers exactly what the contract prints, and a token of the same session that works', async () => {
    const parent = await registerParent(server.api)
    const response = await refresh(server.api, parent.refreshToken)
    expect(response.status).toBe(200)
    expect(response.body).toEqual({
      data: { access_token: expect.any(String), expires_in: 86_400 },
      meta: { request_id: response.headers['x-request-id'] },
    })
    const { access_token: token } = response.body.data
    expect(sessionOf(token)).toBe(sessionOf(parent.token))
    expect(await statusOf(server.api, token)).toBe(200)
  })

  it.each<[string, unknown, string]>([
    ['no token', {}, 'refresh_token'],
    ['an empty token', { refresh_token: '' }, 'refresh_token'],
    ['a token of 513 characters', { refresh_token: 'x'.repeat(513) }, 'refresh_token'],
    ['a rotate that is no boolean', { refresh_token: 'x', rotate: 'yes' }, 'rotate'],
    ['an unknown field', { refresh_token: 'x', scope: 'all' }, 'scope'],
  ])('refuses %s, naming the field', async (_name, body, field) => {
    expectRefusal(await server.api.post('/v1/auth/refresh', { body }), 400, 'VALIDATION_ERROR', field)
  })

  it('refuses an unknown token and an access token with UNAUTHORIZED', async () => {
    const parent = await registerParent(server.api)
    expectRefusal(await refresh(server.api, 'x'.repeat(43)), 401, 'UNAUTHORIZED')
    expectRefusal(await refresh(server.api, parent.token.slice(0, 512)), 401, 'UNAUTHORIZED')
    expectRefusal(await refresh(server.api, ` ${parent.refreshToken}`), 401, 'UNAUTHORIZED')
  })

  it('keeps the same token working while it is used at least every 30 days', async () => {
    const parent = await registerParent(server.api)
    for (let use = 1; use <= 5; use += 1) {
      clock.advance(30 * DAY - SECOND)
      expect((await refresh(server.api, parent.refreshToken)).status, `use ${use}`).toBe(200)
      expect((await tokenRow(parent.refreshToken)).expiresAt.getTime()).toBe(clock.now() + 30 * DAY)
    }
  })

  it('expires after 30 days without use', async () => {
    const parent = await registerParent(server.api)
    clock.advance(30 * DAY)
    expectRefusal(await refresh(server.api, parent.refreshToken), 401, 'TOKEN_EXPIRED')
  })

  it.each([false, true])('lasts 180 days at most, however often it is used (rotate: %s)', async (rotate) => {
    const parent = await registerParent(server.api)
    let token = parent.refreshToken
    for (let day = 29; day < 180; day += 29) {
      clock.set(NOON + day * DAY)
      const response = await refresh(server.api, token, rotate)
      expect(response.status, `day ${day}`).toBe(200)
      if (rotate) token = newTokenOf(response)
    }
    clock.set(NOON + 180 * DAY - SECOND)
    const last = await refresh(server.api, token, rotate)
    expect(last.status).toBe(200)
    clock.set(NOON + 180 * DAY)
    expectRefusal(await refresh(server.api, token), 401, 'TOKEN_EXPIRED')
    if (rotate) expectRefusal(await refresh(server.api, newTokenOf(last)), 401, 'TOKEN_EXPIRED')
  })

  it('gives a new token when asked to rotate, and keeps only hashes', async () => {
    const parent = await registerParent(server.api)
    const response = await refresh(server.api, parent.refreshToken, true)
    expect(response.status).toBe(200)
    expect(response.body.data).toEqual({ access_token: expect.any(String), expires_in: 86_400, refresh_token: expect.stringMatching(/^[\w-]{43}$/) })
    expect(newTokenOf(response)).not.toBe(parent.refreshToken)
    const [old, fresh] = [await tokenRow(parent.refreshToken), await tokenRow(newTokenOf(response))]
    expect([old.supersededAt?.getTime(), fresh.supersededAt]).toEqual([clock.now(), null])
    expect(fresh.sessionId).toBe(old.sessionId)
  })

  it('lets the old token work for a minute more, so that a lost answer can be retried', async () => {
    const parent = await registerParent(server.api)
    const lost = await refresh(server.api, parent.refreshToken, true)
    clock.advance(MINUTE - 1)
    const retried = await refresh(server.api, parent.refreshToken, true)
    expect(retried.status).toBe(200)
    expect((await refresh(server.api, parent.refreshToken)).status).toBe(200)
    clock.advance(DAY)
    for (const token of [newTokenOf(lost), newTokenOf(retried)]) expect((await refresh(server.api, token)).status).toBe(200)
  })

  it('does not stretch the minute of a superseded token by using it', async () => {
    const parent = await registerParent(server.api)
    await refresh(server.api, parent.refreshToken, true)
    clock.advance(50 * SECOND)
    await refresh(server.api, parent.refreshToken, true)
    clock.advance(10 * SECOND)
    expectRefusal(await refresh(server.api, parent.refreshToken), 401, 'UNAUTHORIZED')
  })

  // Attack: a stolen refresh token used after its owner has rotated it, or the other way round: one of the two is a thief.
  it('ends the session when a rotated token is shown after its minute', async () => {
    const parent = await registerParent(server.api)
    const other = await anotherDevice(server.api, parent)
    const rotated = await refresh(server.api, parent.refreshToken, true)
    clock.advance(MINUTE)
    expectRefusal(await refresh(server.api, parent.refreshToken), 401, 'UNAUTHORIZED')
    const session = await server.deps.db.prisma.session.findUniqueOrThrow({ where: { id: sessionOf(parent.token) } })
    expect([session.revokedReason, session.revokedAt?.getTime()]).toEqual(['refresh_token_reused', clock.now()])
    expectRefusal(await refresh(server.api, newTokenOf(rotated)), 401, 'UNAUTHORIZED')
    for (const token of [parent.token, rotated.body.data.access_token]) {
      expectRefusal(await server.api.get('/v1/parents/me', { token }), 401, 'UNAUTHORIZED')
    }
    expect(await statusOf(server.api, other.token)).toBe(200)
    expect((await refresh(server.api, other.refreshToken)).status).toBe(200)
  })

  it('logs nobody out when fifty refreshes meet', async () => {
    const parent = await registerParent(server.api)
    const responses = await times(50, parent.refreshToken)
    expect(statuses(responses)).toEqual([200])
    expect((await refresh(server.api, parent.refreshToken)).status).toBe(200)
    expect(await livingSessions(server, parent.id)).toBe(1)
  })

  it('logs nobody out when fifty rotations meet: each new token works', async () => {
    const parent = await registerParent(server.api)
    const responses = await times(50, parent.refreshToken, true)
    expect(statuses(responses)).toEqual([200])
    expect(new Set(responses.map(newTokenOf)).size).toBe(50)
    clock.advance(2 * MINUTE)
    expect(statuses(await Promise.all(responses.map((response) => refresh(server.api, newTokenOf(response)))))).toEqual([200])
    expect(await livingSessions(server, parent.id)).toBe(1)
  })

  it('ends a session once when fifty reuses of a rotated token meet', async () => {
    const parent = await registerParent(server.api)
    await refresh(server.api, parent.refreshToken, true)
    clock.advance(MINUTE)
    const responses = await times(50, parent.refreshToken, true)
    for (const response of responses) expectRefusal(response, 401, 'UNAUTHORIZED')
    expect(await livingSessions(server, parent.id)).toBe(0)
  })

  // Attack: refreshing in the very moment of the logout, to come out of it with a living token.
  it('leaves nothing alive when refreshes and a logout meet', async () => {
    const parent = await registerParent(server.api)
    const [logout, ...refreshed] = await Promise.all([
      server.api.post('/v1/auth/logout', { token: parent.token }),
      ...Array.from({ length: 10 }, () => refresh(server.api, parent.refreshToken, true)),
    ])
    expect(logout?.status).toBe(204)
    for (const response of refreshed) {
      if (response.status !== 200) {
        expectRefusal(response, 401, 'UNAUTHORIZED')
        continue
      }
      expectRefusal(await server.api.get('/v1/parents/me', { token: response.body.data.access_token }), 401, 'UNAUTHORIZED')
      expectRefusal(await refresh(server.api, newTokenOf(response)), 401, 'UNAUTHORIZED')
    }
  })
})
