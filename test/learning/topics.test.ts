import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { curriculum } from '../helpers/curriculum.ts'
import { childToken, createChild, expectRefusal, makeFamily, registerParent, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

interface TopicWire {
  readonly id: string
  readonly slug: string
  readonly category: string
  readonly connections: readonly string[]
}

const UNKNOWN_TOPIC = '770e8400-e29b-41d4-a716-446655449999'
const slugs = (topics: readonly TopicWire[]) => topics.map((topic) => topic.slug)
const MAP_ORDER = curriculum.topics.map((topic) => topic.slug)

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const restricting = (...ids: string[]) => ({ settings: { restricted_topics: ids } })

describe('GET /v1/topics', () => {
  it('shows a parent without a child the whole map, in the contract’s shape', async () => {
    const { api } = server
    const parent = await registerParent(api)
    const response = await api.get('/v1/topics', { token: parent.token })
    expect(response.status).toBe(200)
    expect(slugs(response.body.data)).toEqual(MAP_ORDER)
    expect(response.body.meta).toEqual({ total: 25, request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    const space = response.body.data.find((topic: TopicWire) => topic.slug === 'space')
    expect(space).toEqual({
      id: TOPIC.space,
      name: 'Space',
      slug: 'space',
      description: 'Explore the wonders of the universe!',
      category: 'science',
      icon: 'rocket',
      color: '#4B0082',
      position: { x: 0, y: -100 },
      connections: expect.arrayContaining(['physics', 'nature', 'black-holes']),
      age_groups: ['wonder_cubs', 'curious_explorers', 'mind_masters'],
    })
  })

  it('shows the same to a parent who names a child, and to the child itself', async () => {
    const { api } = server
    const family = await makeFamily(api)
    const asParent = await api.get('/v1/topics', { token: family.token, child: family.childId })
    const asChild = await api.get('/v1/topics', { token: await childToken(api, family) })
    expect([asParent.status, asChild.status]).toEqual([200, 200])
    expect(slugs(asParent.body.data)).toEqual(MAP_ORDER)
    expect(asChild.body.data).toEqual(asParent.body.data)
  })

  it('filters by category and by age group', async () => {
    const { api } = server
    const { token } = await registerParent(api)
    const science = await api.get('/v1/topics?category=science', { token })
    expect(slugs(science.body.data)).toEqual(['space', 'black-holes', 'physics', 'light'])
    expect(science.body.meta.total).toBe(4)
    for (const ageGroup of ['wonder_cubs', 'curious_explorers', 'mind_masters']) {
      const response = await api.get(`/v1/topics?age_group=${ageGroup}`, { token })
      expect(slugs(response.body.data)).toEqual(MAP_ORDER)
    }
    const both = await api.get('/v1/topics?age_group=mind_masters&category=world', { token })
    expect([slugs(both.body.data), both.body.meta.total]).toEqual([['history'], 1])
  })

  it.each([
    ['category=cooking', 'category'],
    ['category=', 'category'],
    ['age_group=grown_ups', 'age_group'],
    ['category=science&category=nature', 'category'],
    ['colour=blue', 'colour'],
  ])('refuses ?%s, naming the field', async (query, field) => {
    const { token } = await registerParent(server.api)
    expectRefusal(await server.api.get(`/v1/topics?${query}`, { token }), 400, 'VALIDATION_ERROR', field)
  })

  it('leaves restricted topics out for the child they are restricted for, and only there', async () => {
    const { api } = server
    const family = await makeFamily(api, restricting(TOPIC.blackHoles, TOPIC.animals))
    const sibling = await createChild(api, family.token)
    const rest = MAP_ORDER.filter((slug) => slug !== 'black-holes' && slug !== 'animals')
    const asParent = await api.get('/v1/topics', { token: family.token, child: family.childId })
    expect([slugs(asParent.body.data), asParent.body.meta.total]).toEqual([rest, 23])
    const asChild = await api.get('/v1/topics', { token: await childToken(api, family) })
    expect(slugs(asChild.body.data)).toEqual(rest)
    const ofSibling = await api.get('/v1/topics', { token: family.token, child: sibling })
    expect(ofSibling.body.meta.total).toBe(25)
    const whole = await api.get('/v1/topics', { token: family.token })
    expect(whole.body.meta.total).toBe(25)
  })

  it('does not name a restricted topic among the connections of the others', async () => {
    const { api } = server
    const family = await makeFamily(api, restricting(TOPIC.blackHoles))
    const response = await api.get('/v1/topics', { token: family.token, child: family.childId })
    const touching = response.body.data.filter((topic: TopicWire) => topic.connections.includes('black-holes'))
    expect(slugs(touching)).toEqual([])
  })
})

describe('GET /v1/topics/:topic_id', () => {
  it('tells all the contract asks for, with the progress of a child that has not begun', async () => {
    const { api } = server
    const family = await makeFamily(api)
    const response = await api.get(`/v1/topics/${TOPIC.space}`, { token: family.token, child: family.childId })
    expect(response.status).toBe(200)
    expect(response.body.data).toEqual({
      id: TOPIC.space,
      name: 'Space',
      slug: 'space',
      description: 'Explore the wonders of the universe!',
      category: 'science',
      icon: 'rocket',
      color: '#4B0082',
      position: { x: 0, y: -100 },
      age_groups: ['wonder_cubs', 'curious_explorers', 'mind_masters'],
      subtopics: ['Planets', 'Stars', 'Moon'].map((name) => expect.objectContaining({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), name })),
      connections: expect.arrayContaining([
        { topic_id: TOPIC.physics, name: 'Physics', strength: 'strong' },
        { topic_id: curriculum.topics.find((topic) => topic.slug === 'nature')?.id, name: 'Nature', strength: 'weak' },
      ]),
      prerequisites: [],
      child_progress: { unlocked: true, depth_level: 0, time_spent_minutes: 0, last_interaction: null },
    })
    expect(response.body.meta.request_id).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('tells what a locked topic needs', async () => {
    const { api } = server
    const family = await makeFamily(api)
    const { body } = await api.get(`/v1/topics/${TOPIC.blackHoles}`, { token: family.token, child: family.childId })
    expect(body.data.prerequisites).toEqual([{ topic_id: TOPIC.space, name: 'Space', depth: 5 }])
    expect(body.data.child_progress).toEqual({ unlocked: false, depth_level: 0, time_spent_minutes: 0, last_interaction: null })
  })

  it('tells of no progress to a parent who names no child', async () => {
    const { api } = server
    const { token } = await registerParent(api)
    const response = await api.get(`/v1/topics/${TOPIC.space}`, { token })
    expect([response.status, response.body.data.child_progress]).toEqual([200, null])
  })

  it('takes the id in capital letters too', async () => {
    const { api } = server
    const { token } = await registerParent(api)
    const response = await api.get(`/v1/topics/${TOPIC.space.toUpperCase()}`, { token })
    expect([response.status, response.body.data?.id]).toEqual([200, TOPIC.space])
  })

  it('counts the depth, whole minutes and last turn of the child’s conversations, and nobody else’s', async () => {
    const { api, clock, deps } = server
    const family = await makeFamily(api)
    const sibling = await createChild(api, family.token)
    const conversation = await startConversation(api, family)
    for (const seconds of [45, 60, 60]) {
      clock.advance(seconds * 1_000)
      expect((await takeTurn(api, family, conversation)).status).toBe(201)
    }
    const lastTurnAt = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`
    clock.advance(3_600_000)
    const { body } = await api.get(`/v1/topics/${TOPIC.space}`, { token: await childToken(api, family) })
    expect(body.data.child_progress).toEqual({ unlocked: true, depth_level: 2, time_spent_minutes: 2, last_interaction: lastTurnAt })
    const days = await deps.db.prisma.topicDay.findMany({ where: { childId: family.childId } })
    expect(days.map((day) => [day.topicId, day.timeMs, day.turns])).toEqual([[TOPIC.space, 165_000, 3]])
    const ofSibling = await api.get(`/v1/topics/${TOPIC.space}`, { token: family.token, child: sibling })
    expect(ofSibling.body.data.child_progress).toEqual({ unlocked: true, depth_level: 0, time_spent_minutes: 0, last_interaction: null })
    const ofAnother = await api.get(`/v1/topics/${TOPIC.physics}`, { token: family.token, child: family.childId })
    expect(ofAnother.body.data.child_progress).toMatchObject({ depth_level: 0, time_spent_minutes: 0, last_interaction: null })
  })

  it('refuses a restricted topic, in words for the child, and shows it to the parent who asks for none', async () => {
    const { api } = server
    const family = await makeFamily(api, restricting(TOPIC.space))
    for (const caller of [{ token: family.token, child: family.childId }, { token: await childToken(api, family) }]) {
      const response = await api.get(`/v1/topics/${TOPIC.space}`, caller)
      expectRefusal(response, 403, 'FORBIDDEN')
      expect(response.body.error).toMatchObject({ child_message: expect.stringMatching(/\S/), child_animation: expect.stringMatching(/\S/) })
    }
    expect((await api.get(`/v1/topics/${TOPIC.space}`, { token: family.token })).status).toBe(200)
  })

  it('does not name a restricted topic among connections and prerequisites, and counts it as met', async () => {
    const { api } = server
    const family = await makeFamily(api, restricting(TOPIC.space))
    const { body } = await api.get(`/v1/topics/${TOPIC.blackHoles}`, { token: family.token, child: family.childId })
    expect(body.data.child_progress.unlocked).toBe(true)
    expect(body.data.connections.map((connection: { topic_id: string }) => connection.topic_id)).not.toContain(TOPIC.space)
    expect(body.data.prerequisites).toEqual([])
  })

  it('knows no other topics, and says which id is malformed', async () => {
    const { api } = server
    const family = await makeFamily(api)
    const caller = { token: family.token, child: family.childId }
    expectRefusal(await api.get(`/v1/topics/${UNKNOWN_TOPIC}`, caller), 404, 'NOT_FOUND')
    expectRefusal(await api.get('/v1/topics/space', caller), 400, 'VALIDATION_ERROR', 'topic_id')
    expectRefusal(await api.get(`/v1/topics/${TOPIC.space}0`, caller), 400, 'VALIDATION_ERROR', 'topic_id')
  })
})

describe('the doors of topics and constellation', () => {
  const PATHS = ['/v1/topics', `/v1/topics/${TOPIC.space}`, '/v1/constellation']

  it.each(PATHS)('%s is closed without a token', async (path) => {
    const response = await server.api.get(path, { child: newId() })
    expectRefusal(response, 401, 'UNAUTHORIZED')
    expect(response.headers['www-authenticate']).toBe('Bearer')
    expectRefusal(await server.api.get(path, { token: 'not.a.token' }), 401, 'UNAUTHORIZED')
  })

  // Attack: reading about another family's child by naming it; missing and foreign must look alike.
  it.each(PATHS)('%s answers alike for a child of another family and for one that does not exist', async (path) => {
    const { api } = server
    const [family, other] = [await makeFamily(api), await makeFamily(api)]
    const foreign = await api.get(path, { token: family.token, child: other.childId })
    const missing = await api.get(path, { token: family.token, child: newId() })
    expectRefusal(foreign, 403, 'CHILD_ACCESS_DENIED')
    expect({ ...foreign.body.error, request_id: '' }).toEqual({ ...missing.body.error, request_id: '' })
  })

  // Attack: a child's tablet looking at a sibling by sending its id along.
  it.each(PATHS)('%s refuses a child token that names another child', async (path) => {
    const { api } = server
    const family = await makeFamily(api)
    const sibling = await createChild(api, family.token)
    const token = await childToken(api, family)
    expectRefusal(await api.get(path, { token, child: sibling }), 403, 'FORBIDDEN')
    expect((await api.get(path, { token, child: family.childId })).status).toBe(200)
  })

  it.each(PATHS)('%s says that the child’s id is malformed', async (path) => {
    const { token } = await registerParent(server.api)
    expectRefusal(await server.api.get(path, { token, child: 'emma' }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
  })

  it('refuse the child before the shape of the request', async () => {
    const { token } = await registerParent(server.api)
    expectRefusal(await server.api.get('/v1/topics?category=cooking', { token, child: newId() }), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await server.api.get('/v1/topics/space', { token, child: newId() }), 403, 'CHILD_ACCESS_DENIED')
  })
})
