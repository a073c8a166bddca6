import { expect } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from './api.ts'
import { CONSENTS, type Family } from './family.ts'
import type { TestServer } from './server.ts'

/** Strings that occur nowhere else; each is looked for by the part that no escaping changes. */
export const CANARY = {
  email: 'Zanthoxylum.Canary@example.com',
  password: 'Quetzal-Canary-7731',
  displayName: 'Ombudsperson Canary',
  child: 'Wilhelmina-Canary',
  message: 'How far does a Bramblewick-Canary comet fly around the sun?',
  interest: 'Velociraptor-Canary',
  pin: '8642',
  key: 'Idempotent-Canary',
  agent: 'Browser-Canary/1.0',
} as const
const MARKS = ['zanthoxylum', 'quetzal', 'ombudsperson', 'wilhelmina', 'bramblewick', 'velociraptor', 'idempotent-canary', 'browser-canary', 'canary']

/** The marks of what a text tells, in whatever case. */
export const marksIn = (text: string): string[] => MARKS.filter((mark) => text.toLowerCase().includes(mark))

/** Nothing of it stands in a log line, at /metrics or in an answer that refuses. */
export function expectNoLeak(server: TestServer, metrics: ApiResponse, refusals: readonly ApiResponse[] = []): void {
  expect(server.logs.length).toBeGreaterThan(0)
  expect(server.logs.filter((line) => marksIn(line).length > 0)).toEqual([])
  expect(marksIn(metrics.text)).toEqual([])
  expect(refusals.filter(({ text }) => marksIn(text).length > 0).map(({ text }) => text)).toEqual([])
}

/** A family all of whose words are marked. */
export async function registerCanary(server: TestServer, child: string = CANARY.child): Promise<Family> {
  const { api } = server
  const email = `${newId()}.${CANARY.email}`
  const registered = await api.post('/v1/auth/register', {
    key: CANARY.key + newId(),
    headers: { 'user-agent': CANARY.agent },
    body: { email, password: CANARY.password, display_name: CANARY.displayName, timezone: 'Europe/Paris', consents: CONSENTS },
  })
  expect(registered.status, registered.text).toBe(201)
  const token: string = registered.body.data.tokens.access_token
  const created = await api.post('/v1/children', {
    token,
    body: { name: child, birth_date: '2018-05-15', interests: [CANARY.interest], pin: CANARY.pin },
  })
  expect(created.status, created.text).toBe(201)
  return { email, token, id: registered.body.data.parent.id, childId: created.body.data.id as string, refreshToken: registered.body.data.tokens.refresh_token }
}
