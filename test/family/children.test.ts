import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { testClock } from '../helpers/clock.ts'
import { createChild, expectRefusal, makeFamily, registerParent, TOPIC } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const EMMA = { name: 'Emma', birth_date: '2019-05-15', avatar_id: 'avatar_bunny', interests: ['animals', 'space', 'stories'] }

describe('child profiles', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock('2024-12-15T10:30:00Z') })
  })
  afterAll(() => server.close())

  const create = (token: string, body: unknown) => server.api.post('/v1/children', { token, body })
  const get = (token: string, childId: string) => server.api.get(`/v1/children/${childId}`, { token })
  const change = (token: string, childId: string, body: unknown) => server.api.patch(`/v1/children/${childId}`, { token, body })
  const rowsOf = (parentId: string) => server.deps.db.prisma.child.count({ where: { parentId } })

  it("creates the child of the contract's example and tells it again", async () => {
    const parent = await registerParent(server.api)
    const created = await create(parent.token, EMMA)
    expect(created.status).toBe(201)
    expect(created.body).toEqual({
      data: {
        ...EMMA,
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        age_group: 'wonder_cubs',
        settings: {
          sound_enabled: true,
          voice_over_enabled: true,
          daily_time_limit_minutes: 60,
          bedtime_start: null,
          bedtime_end: null,
          restricted_topics: [],
        },
        has_pin: false,
        created_at: '2024-12-15T10:30:00Z',
      },
      meta: { request_id: created.headers['x-request-id'] },
    })
    const told = await get(parent.token, created.body.data.id)
    expect(told.status).toBe(200)
    expect(told.body.data).toEqual(created.body.data)
  })

  it('gives a new child an empty wallet and the start of its learning', async () => {
    const family = await makeFamily(server.api)
    const child = await server.deps.db.prisma.child.findUniqueOrThrow({ where: { id: family.childId }, include: { wallet: true, learner: true } })
    expect(child.parentId).toBe(family.id)
    expect(child.wallet).toMatchObject({ balance: 0, lifetimeEarned: 0 })
    expect(child.learner).toMatchObject({ childTurns: 0, lastEventAt: null })
  })

  it('takes settings, an avatar, a PIN and doubled interests at creation', async () => {
    const parent = await registerParent(server.api)
    const settings = {
      sound_enabled: false,
      voice_over_enabled: false,
      daily_time_limit_minutes: 0,
      bedtime_start: '20:30',
      bedtime_end: '06:45',
      restricted_topics: [TOPIC.space],
    }
    const response = await create(parent.token, { ...EMMA, avatar_id: 'avatar_owl', interests: ['space', 'space', 'art'], settings, pin: '1234' })
    expect(response.status).toBe(201)
    expect(response.body.data).toMatchObject({ avatar_id: 'avatar_owl', interests: ['space', 'art'], settings, has_pin: true })
    expect(response.text).not.toContain('1234')
  })

  it('chooses an avatar and no interests when none are given', async () => {
    const parent = await registerParent(server.api)
    const response = await create(parent.token, { name: 'Noah', birth_date: '2016-01-01' })
    expect(response.status).toBe(201)
    expect(response.body.data).toMatchObject({ avatar_id: 'avatar_bunny', interests: [], age_group: 'curious_explorers' })
  })

  it.each(['Zoë', '小明', 'Ana-María', "D'Arcy", '🦊 Fox', 'x'.repeat(40)])('keeps the name %s as it is', async (name) => {
    const parent = await registerParent(server.api)
    const response = await create(parent.token, { ...EMMA, name })
    expect([response.status, response.body.data?.name], response.text).toEqual([201, name])
  })

  it("takes the contract's example of a change and leaves what it does not name", async () => {
    const parent = await registerParent(server.api)
    const settings = { sound_enabled: false, restricted_topics: [TOPIC.physics], bedtime_start: '20:00', bedtime_end: '07:00' }
    const before = (await create(parent.token, { ...EMMA, settings })).body.data
    const changes = { name: 'Emmy', interests: ['animals', 'space', 'stories', 'puzzles'], settings: { daily_time_limit_minutes: 45 } }
    const response = await change(parent.token, before.id, changes)
    expect(response.status).toBe(200)
    expect(response.body.data).toEqual({ ...before, ...changes, settings: { ...before.settings, daily_time_limit_minutes: 45 } })
    expect((await get(parent.token, before.id)).body.data).toEqual(response.body.data)
  })

  it('keeps parallel changes of different settings', async () => {
    const { token, childId } = await makeFamily(server.api)
    const changes = [
      { settings: { sound_enabled: false } },
      { settings: { voice_over_enabled: false } },
      { settings: { daily_time_limit_minutes: 30 } },
      { settings: { bedtime_start: '19:00', bedtime_end: '06:00' } },
      { settings: { restricted_topics: [TOPIC.light] } },
      { name: 'Emmy' },
      { interests: ['puzzles'] },
    ]
    const responses = await Promise.all(changes.map((body) => change(token, childId, body)))
    expect(responses.map((response) => response.status)).toEqual(changes.map(() => 200))
    expect((await get(token, childId)).body.data).toMatchObject({
      name: 'Emmy',
      interests: ['puzzles'],
      settings: {
        sound_enabled: false,
        voice_over_enabled: false,
        daily_time_limit_minutes: 30,
        bedtime_start: '19:00',
        bedtime_end: '06:00',
        restricted_topics: [TOPIC.light],
      },
    })
  })

  it('moves one end of a bedtime and takes both away', async () => {
    const family = await makeFamily(server.api, { settings: { bedtime_start: '20:00', bedtime_end: '07:00' } })
    const moved = await change(family.token, family.childId, { settings: { bedtime_start: '21:15' } })
    expect(moved.body.data.settings).toMatchObject({ bedtime_start: '21:15', bedtime_end: '07:00' })
    const gone = await change(family.token, family.childId, { settings: { bedtime_start: null, bedtime_end: null } })
    expect(gone.body.data.settings).toMatchObject({ bedtime_start: null, bedtime_end: null })
  })

  it('never leaves half a bedtime when two parents change it at once', async () => {
    const family = await makeFamily(server.api, { settings: { bedtime_start: '20:00', bedtime_end: '07:00' } })
    const responses = await Promise.all([
      change(family.token, family.childId, { settings: { bedtime_start: null, bedtime_end: null } }),
      change(family.token, family.childId, { settings: { bedtime_start: '19:00' } }),
    ])
    expect(responses[0]?.status).toBe(200)
    expect([200, 400]).toContain(responses[1]?.status)
    const row = await server.deps.db.prisma.child.findUniqueOrThrow({ where: { id: family.childId } })
    expect([row.bedtimeStart, row.bedtimeEnd]).toEqual([null, null])
  })

  it('lets a restricted topic be named in any letter case, as other UUIDs are', async () => {
    const family = await makeFamily(server.api)
    const response = await change(family.token, family.childId, { settings: { restricted_topics: [TOPIC.space.replace('e', 'E')] } })
    expect(response.status, response.text).toBe(200)
    expect(response.body.data.settings.restricted_topics).toEqual([TOPIC.space])
  })

  it('corrects a birth date and with it the age group', async () => {
    const family = await makeFamily(server.api)
    const response = await change(family.token, family.childId, { birth_date: '2013-03-01' })
    expect(response.body.data).toMatchObject({ birth_date: '2013-03-01', age_group: 'mind_masters' })
  })

  it('deletes a child for good and leaves its sister', async () => {
    const family = await makeFamily(server.api)
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    const path = `/v1/children/${family.childId}`
    const response = await server.api.delete(path, { token: family.token })
    expect([response.status, response.text]).toEqual([204, ''])
    expectRefusal(await get(family.token, family.childId), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await server.api.delete(path, { token: family.token }), 403, 'CHILD_ACCESS_DENIED')
    const { children } = (await server.api.get('/v1/parents/me', { token: family.token })).body.data
    expect(children.map((child: { id: string }) => child.id)).toEqual([sister])
  })

  it('deletes once when two devices delete together', async () => {
    const family = await makeFamily(server.api)
    const remove = () => server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
    const statuses = (await Promise.all([remove(), remove(), remove()])).map((response) => response.status)
    expect(statuses).toContain(204)
    for (const status of statuses) expect([204, 403]).toContain(status)
    expect(await rowsOf(family.id)).toBe(0)
  })

  it('holds at most twenty children, also when they come all at once', async () => {
    const parent = await registerParent(server.api)
    const responses = await Promise.all(Array.from({ length: 25 }, (_, index) => create(parent.token, { ...EMMA, name: `Child ${index}` })))
    const refused = responses.filter((response) => response.status !== 201)
    expect(refused).toHaveLength(5)
    for (const response of refused) expectRefusal(response, 422, 'UNPROCESSABLE_ENTITY')
    expect(await rowsOf(parent.id)).toBe(20)
    expectRefusal(await create(parent.token, EMMA), 422, 'UNPROCESSABLE_ENTITY')
    const [first] = (await server.api.get('/v1/parents/me', { token: parent.token })).body.data.children
    await server.api.delete(`/v1/children/${first.id}`, { token: parent.token })
    expect((await create(parent.token, EMMA)).status).toBe(201)
  })

  it('activates a child and opens a session for it', async () => {
    const family = await makeFamily(server.api)
    const response = await server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token, body: { pin: '1234' } })
    expect(response.status).toBe(200)
    expect(response.body).toEqual({
      data: {
        child: { id: family.childId, name: 'Emma', age_group: 'wonder_cubs' },
        session_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
        expires_in: 30 * 24 * 60 * 60,
      },
      meta: { request_id: response.headers['x-request-id'] },
    })
    const sessions = await server.deps.db.prisma.session.findMany({ where: { childId: family.childId } })
    expect(sessions).toHaveLength(1)
    expect(sessions[0]).toMatchObject({ accountId: family.id, revokedAt: null })
  })

  it('activates without a body', async () => {
    const family = await makeFamily(server.api)
    expect((await server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token })).status).toBe(200)
  })

  it('keeps a child with its own parent when the id is written in capitals', async () => {
    const family = await makeFamily(server.api)
    const response = await get(family.token, family.childId.toUpperCase())
    expect([response.status, response.body.data?.id]).toEqual([200, family.childId])
    expectRefusal(await get(family.token, newId().toUpperCase()), 403, 'CHILD_ACCESS_DENIED')
  })
})
