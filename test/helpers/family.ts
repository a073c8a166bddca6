import { expect } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import type { Api } from './api.ts'

export const PASSWORD = 'Tr1cky-Otter-Parade'
export const CONSENTS = { terms: true, privacy: true, coppa: true }

export const TOPIC = {
  space: '770e8400-e29b-41d4-a716-446655440001',
  blackHoles: '770e8400-e29b-41d4-a716-446655440002',
  physics: '770e8400-e29b-41d4-a716-446655440003',
  light: '770e8400-e29b-41d4-a716-446655440004',
  animals: '770e8400-e29b-41d4-a716-446655440006',
} as const

export interface Parent {
  readonly id: string
  readonly email: string
  readonly token: string
  readonly refreshToken: string
}

export interface Family extends Parent {
  /** Eight years old on 2026-11-21: a curious explorer. */
  readonly childId: string
}

/** A new parent of its own, through the door. */
export async function registerParent(api: Api, options: { timezone?: string; email?: string } = {}): Promise<Parent> {
  const email = options.email ?? `${newId()}@example.com`
  const body = { email, password: PASSWORD, display_name: 'Alex Parent', timezone: options.timezone ?? 'America/New_York', consents: CONSENTS }
  const response = await api.post('/v1/auth/register', { body })
  expect(response.status, response.text).toBe(201)
  const { parent, tokens } = response.body.data
  return { id: parent.id, email, token: tokens.access_token, refreshToken: tokens.refresh_token }
}

export interface ChildOptions {
  readonly name?: string
  readonly birthDate?: string
  readonly settings?: Readonly<Record<string, unknown>>
  readonly pin?: string
}

export async function createChild(api: Api, token: string, { name = 'Emma', birthDate = '2018-05-15', settings, pin }: ChildOptions = {}): Promise<string> {
  const response = await api.post('/v1/children', { token, body: { name, birth_date: birthDate, ...(settings && { settings }), ...(pin && { pin }) } })
  expect(response.status, response.text).toBe(201)
  return response.body.data.id
}

/** A parent with one child. */
export async function makeFamily(api: Api, options: ChildOptions & { timezone?: string } = {}): Promise<Family> {
  const parent = await registerParent(api, options)
  return { ...parent, childId: await createChild(api, parent.token, options) }
}

/** A token that speaks for the child alone. */
export async function childToken(api: Api, family: Family, pin?: string): Promise<string> {
  const response = await api.post(`/v1/children/${family.childId}/activate`, { token: family.token, body: pin ? { pin } : {} })
  expect(response.status, response.text).toBe(200)
  return response.body.data.session_token
}

/** The family with a token that lasts 30 days in place of the parent's: for clocks that move by days. */
export async function onTheTablet(api: Api, family: Family): Promise<Family> {
  return { ...family, token: await childToken(api, family) }
}

/** Starts a conversation and returns its id. */
export async function startConversation(api: Api, family: Family, topicId: string = TOPIC.space): Promise<string> {
  const response = await api.post('/v1/conversations', { token: family.token, child: family.childId, body: { topic_id: topicId } })
  expect(response.status, response.text).toBe(201)
  return response.body.data.conversation_id
}

/** Takes one turn by choice, or by the words given. */
export function takeTurn(api: Api, family: Family, conversationId: string, said: number | string = 0, key?: string) {
  const body = typeof said === 'number' ? { choice_index: said } : { content: said, is_free_form: true }
  return api.post(`/v1/conversations/${conversationId}/messages`, { token: family.token, child: family.childId, body, key })
}

/** What every refusal looks like, for the status and code given. */
export function expectRefusal(
  response: { status: number; body: { error: { code: string; request_id: string; details?: { field: string }[] } }; text: string },
  status: number,
  code: string,
  field?: string,
): void {
  expect([response.status, response.body?.error?.code], response.text).toEqual([status, code])
  expect(response.body.error.request_id).toMatch(/^[0-9a-f-]{36}$/)
  if (field !== undefined) expect(response.body.error.details?.map((detail) => detail.field)).toContain(field)
}
