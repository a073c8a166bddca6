import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildOptions, createChild, expectRefusal, type Family, makeFamily, PASSWORD, registerParent, startConversation } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

/** The age group as every door tells it. */
async function groupOf({ api, deps }: TestServer, family: Family): Promise<string> {
  const login = await api.post('/v1/auth/login', { body: { email: family.email, password: PASSWORD } })
  const { access_token: token } = login.body.data.tokens
  const profile = await api.get(`/v1/children/${family.childId}`, { token })
  const parent = await api.get('/v1/parents/me', { token })
  const activation = await api.post(`/v1/children/${family.childId}/activate`, { token, body: {} })
  const conversation = await startConversation(api, { ...family, token })
  const stored = await deps.db.prisma.conversation.findUniqueOrThrow({ where: { id: conversation } })
  const [group, ...others] = [profile.body.data, parent.body.data.children[0], activation.body.data.child].map((child) => child.age_group)
  expect(others).toEqual([group, group])
  expect(stored.ageGroup).toBe(group)
  return group
}

describe('a birthday', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it("moves the child on at its parent's midnight", async () => {
    server.clock.set('2026-11-21T17:00:00Z')
    const seventh: ChildOptions = { birthDate: '2019-11-22' }
    const newYork = await makeFamily(server.api, { ...seventh, timezone: 'America/New_York' })
    const tokyo = await makeFamily(server.api, { ...seventh, timezone: 'Asia/Tokyo' })
    expect(await groupOf(server, newYork)).toBe('wonder_cubs')
    expect(await groupOf(server, tokyo)).toBe('curious_explorers')
    server.clock.set('2026-11-22T04:59:59.999Z')
    expect(await groupOf(server, newYork)).toBe('wonder_cubs')
    server.clock.set('2026-11-22T05:00:00Z')
    expect(await groupOf(server, newYork)).toBe('curious_explorers')
  })

  it('moves on at ten, and at thirteen no further', async () => {
    server.clock.set('2026-11-20T12:00:00Z')
    const ten = await makeFamily(server.api, { birthDate: '2016-11-21', timezone: 'UTC' })
    const thirteen = await makeFamily(server.api, { birthDate: '2013-11-21', timezone: 'UTC' })
    expect([await groupOf(server, ten), await groupOf(server, thirteen)]).toEqual(['curious_explorers', 'mind_masters'])
    server.clock.set('2026-11-21T00:00:00Z')
    expect([await groupOf(server, ten), await groupOf(server, thirteen)]).toEqual(['mind_masters', 'mind_masters'])
  })

  it('on 29 February is kept on 1 March of a common year', async () => {
    server.clock.set('2027-02-28T23:59:59Z')
    const family = await makeFamily(server.api, { birthDate: '2020-02-29', timezone: 'UTC' })
    expect(await groupOf(server, family)).toBe('wonder_cubs')
    server.clock.set('2027-03-01T00:00:00Z')
    expect(await groupOf(server, family)).toBe('curious_explorers')
  })

  it('comes and goes with the time zone of the parent', async () => {
    server.clock.set('2026-11-21T17:00:00Z')
    const family = await makeFamily(server.api, { birthDate: '2019-11-22', timezone: 'America/New_York' })
    expect(await groupOf(server, family)).toBe('wonder_cubs')
    await server.api.patch('/v1/parents/me', { token: family.token, body: { timezone: 'Asia/Tokyo' } })
    expect(await groupOf(server, family)).toBe('curious_explorers')
  })

  it('opens the door at four and closes it at thirteen', async () => {
    const { api, clock } = server
    clock.set('2026-11-21T17:00:00Z')
    const parent = await registerParent(api)
    const create = (birthDate: string) => api.post('/v1/children', { token: parent.token, body: { name: 'Emma', birth_date: birthDate } })
    await createChild(api, parent.token, { birthDate: '2022-11-21' })
    await createChild(api, parent.token, { birthDate: '2013-11-22' })
    expectRefusal(await create('2022-11-22'), 400, 'VALIDATION_ERROR', 'birth_date')
    expectRefusal(await create('2013-11-21'), 400, 'VALIDATION_ERROR', 'birth_date')
    clock.set('2026-11-22T05:00:00Z')
    expect((await create('2022-11-22')).status).toBe(201)
    expectRefusal(await create('2013-11-22'), 400, 'VALIDATION_ERROR', 'birth_date')
  })

  it('does not keep the profile of a child of thirteen from being saved as it is', async () => {
    server.clock.set('2026-11-20T12:00:00Z')
    const family = await makeFamily(server.api, { birthDate: '2013-11-21', timezone: 'UTC' })
    server.clock.set('2026-11-21T00:00:00Z')
    const body = { name: 'Emmy', birth_date: '2013-11-21' }
    const response = await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body })
    expect([response.status, response.body.data?.age_group], response.text).toEqual([200, 'mind_masters'])
  })
})
