import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import type { Api, ApiResponse } from './api.ts'
import { CONSENTS, PASSWORD, type Parent } from './family.ts'
import { verificationToken } from './outbox.ts'
import type { TestServer } from './server.ts'

export const NEW_PASSWORD = 'Quiet-Comet-Lantern-7'

export const freshEmail = (): string => `${newId()}@example.com`

/** A body that registers; `changes` replace fields, undefined leaves them out. */
export function registration(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { email: freshEmail(), password: PASSWORD, display_name: 'Alex Parent', timezone: 'America/New_York', consents: CONSENTS, ...changes }
}

export const logIn = (api: Api, email: string, password = PASSWORD, headers?: Record<string, string>): Promise<ApiResponse> =>
  api.post('/v1/auth/login', { body: { email, password }, ...(headers && { headers }) })

/** A further device of the parent: its tokens. */
export async function anotherDevice(api: Api, parent: Parent, userAgent = 'Tablet'): Promise<{ token: string; refreshToken: string }> {
  const response = await logIn(api, parent.email, PASSWORD, { 'user-agent': userAgent })
  expect(response.status, response.text).toBe(200)
  const { access_token: token, refresh_token: refreshToken } = response.body.data.tokens
  return { token, refreshToken }
}

export const refresh = (api: Api, refreshToken: string, rotate?: boolean): Promise<ApiResponse> =>
  api.post('/v1/auth/refresh', { body: { refresh_token: refreshToken, ...(rotate !== undefined && { rotate }) } })

/** The status an access token gets at a parent's door. */
export const statusOf = async (api: Api, token: string): Promise<number> => (await api.get('/v1/parents/me', { token })).status

/** The status a child token gets at a child's door. */
export const childStatusOf = async (api: Api, token: string): Promise<number> => (await api.get('/v1/topics', { token })).status

/** Follows the link of the verification mail. */
export async function verifyAddress(server: TestServer, email: string): Promise<void> {
  const response = await server.api.post('/v1/auth/email/verify', { body: { token: await verificationToken(server, email) } })
  expect(response.status, response.text).toBe(204)
}

/** The session that an access token belongs to. */
export function sessionOf(token: string): string {
  const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { sid: string }
  return payload.sid
}

/** Sessions of an account that have not been ended, parents' and children's. */
export const livingSessions = (server: TestServer, accountId: string): Promise<number> =>
  server.deps.db.prisma.session.count({ where: { accountId, revokedAt: null } })

/** Waits until servers that started beside each other in this process no longer shed load because of it. */
export async function settled(...servers: readonly TestServer[]): Promise<void> {
  for (const { api } of servers) while ((await api.get('/.well-known/jwks.json')).status === 503) await nextTurn()
}
