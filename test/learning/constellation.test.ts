import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { curriculum } from '../helpers/curriculum.ts'
import { childToken, expectRefusal, type Family, makeFamily, registerParent, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

interface MappedWire {
  readonly id: string
  readonly slug: string
  readonly status: string
  readonly depth_level: number
  readonly unlock_hint?: string
}

interface ConnectionWire {
  readonly from: string
  readonly to: string
  readonly discovered: boolean
}

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

async function constellation(family: Family) {
  const response = await server.api.get('/v1/constellation', { token: family.token, child: family.childId })
  expect(response.status, response.text).toBe(200)
  const { topics, connections, stats } = response.body.data as { topics: MappedWire[]; connections: ConnectionWire[]; stats: unknown }
  const topic = (slug: string) => topics.find((mapped) => mapped.slug === slug)
  return { topics, connections, stats, topic }
}

/** Chooses its way through a topic for some turns. */
async function explore(family: Family, topicId: string, turns: number): Promise<string> {
  const conversation = await startConversation(server.api, family, topicId)
  for (let turn = 0; turn < turns; turn += 1) expect((await takeTurn(server.api, family, conversation)).status).toBe(201)
  return conversation
}

describe('GET /v1/constellation', () => {
  it('shows a new child what is open and what is locked, with hints', async () => {
    const family = await makeFamily(server.api)
    const { topics, connections, stats, topic } = await constellation(family)
    expect(topics.map((mapped) => mapped.slug)).toEqual(curriculum.topics.map((mapped) => mapped.slug))
    expect(topic('space')).toEqual({
      ...{ id: TOPIC.space, name: 'Space', slug: 'space', icon: 'rocket', color: '#4B0082' },
      ...{ position: { x: 0, y: -100 }, status: 'unlocked', depth_level: 0 },
    })
    expect(topic('black-holes')).toMatchObject({ id: TOPIC.blackHoles, status: 'locked', depth_level: 0, unlock_hint: 'Explore Space to depth 5' })
    for (const mapped of topics) expect(mapped.unlock_hint !== undefined, mapped.slug).toBe(mapped.status === 'locked')
    const open = curriculum.topics.filter((mapped) => mapped.prerequisites.length === 0).length
    expect(stats).toEqual({ total_topics: 25, unlocked: open, explored: 0 })
    expect(connections).toHaveLength(curriculum.connections.length)
    expect(connections.filter((connection) => connection.discovered)).toEqual([])
    expect(connections).toContainEqual({ from: TOPIC.space, to: TOPIC.physics, strength: 'strong', discovered: false })
  })

  it('unlocks, explores and discovers as the child talks', async () => {
    const family = await makeFamily(server.api)
    const before = (await constellation(family)).stats as { unlocked: number }
    await explore(family, TOPIC.space, 6)
    const halfway = await constellation(family)
    expect(halfway.topic('space')).toMatchObject({ status: 'explored', depth_level: 3 })
    expect(halfway.topic('black-holes')).toMatchObject({ status: 'locked', unlock_hint: 'Explore Space to depth 5' })
    expect(halfway.stats).toEqual({ total_topics: 25, unlocked: before.unlocked, explored: 1 })
    expect(halfway.connections.filter((connection) => connection.discovered)).toEqual([])
    expect(halfway.topic('light')).toMatchObject({ status: 'locked', unlock_hint: 'Explore Physics to depth 2' })

    await explore(family, TOPIC.physics, 3)
    const { topic, stats, connections } = await constellation(family)
    expect(topic('physics')).toMatchObject({ status: 'unlocked', depth_level: 2 })
    expect(topic('light')).toMatchObject({ status: 'unlocked', depth_level: 0 })
    expect(topic('light')).not.toHaveProperty('unlock_hint')
    const opened = curriculum.topics.filter((mapped) => mapped.prerequisites.some((needed) => needed.topic.slug === 'physics' && needed.depth <= 2)).length
    expect(stats).toEqual({ total_topics: 25, unlocked: before.unlocked + opened, explored: 1 })
    expect(connections.filter((connection) => connection.discovered)).toEqual([{ from: TOPIC.space, to: TOPIC.physics, strength: 'strong', discovered: true }])
  })

  it('opens Black Holes at depth 5 in Space, and not a turn before', async () => {
    const family = await makeFamily(server.api)
    const conversation = await explore(family, TOPIC.space, 10)
    expect((await constellation(family)).topic('black-holes')?.status).toBe('locked')
    await takeTurn(server.api, family, conversation)
    expect((await constellation(family)).topic('black-holes')?.status).toBe('unlocked')
    await explore(family, TOPIC.blackHoles, 1)
    expect((await constellation(family)).topic('black-holes')).toMatchObject({ status: 'unlocked', depth_level: 1 })
  })

  it('does not count a topic as talked in before the child has said something', async () => {
    const family = await makeFamily(server.api)
    await explore(family, TOPIC.space, 1)
    await explore(family, TOPIC.physics, 0)
    expect((await constellation(family)).connections.filter((connection) => connection.discovered)).toEqual([])
  })

  it('drops restricted topics with their connections, and opens what only they kept locked', async () => {
    const family = await makeFamily(server.api, { settings: { restricted_topics: [TOPIC.space] } })
    const { topics, connections, stats, topic } = await constellation(family)
    expect(topic('space')).toBeUndefined()
    expect(topics).toHaveLength(24)
    expect(connections.filter(({ from, to }) => from === TOPIC.space || to === TOPIC.space)).toEqual([])
    expect(topic('black-holes')?.status).toBe('unlocked')
    expect(stats).toMatchObject({ total_topics: 24 })
  })

  it('keeps a topic open that was explored while its prerequisite was restricted', async () => {
    const { api } = server
    const family = await makeFamily(api, { settings: { restricted_topics: [TOPIC.space] } })
    await explore(family, TOPIC.blackHoles, 1)
    const change = await api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { restricted_topics: [] } } })
    expect(change.status).toBe(200)
    expect((await constellation(family)).topic('black-holes')).toMatchObject({ status: 'unlocked', depth_level: 1 })
  })

  it('shows the child itself the same as its parent', async () => {
    const family = await makeFamily(server.api)
    await explore(family, TOPIC.space, 2)
    const asChild = await server.api.get('/v1/constellation', { token: await childToken(server.api, family) })
    const asParent = await server.api.get('/v1/constellation', { token: family.token, child: family.childId })
    expect(asChild.status).toBe(200)
    expect(asChild.body.data).toEqual(asParent.body.data)
  })

  it('needs a parent to name the child', async () => {
    const { token } = await registerParent(server.api)
    expectRefusal(await server.api.get('/v1/constellation', { token }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
  })
})

describe('SQL round trips', () => {
  it.each([
    { path: '/v1/topics', named: false, trips: 0 },
    { path: '/v1/topics', named: true, trips: 1 },
    { path: `/v1/topics/${TOPIC.space}`, named: false, trips: 0 },
    { path: `/v1/topics/${TOPIC.space}`, named: true, trips: 2 },
    { path: '/v1/constellation', named: true, trips: 2 },
    { path: '/v1/parents/me', named: false, trips: 1 },
  ])('GET $path takes $trips (child named: $named)', async ({ path, named, trips }) => {
    const { api, deps } = server
    const family = await makeFamily(api)
    const read = () => api.get(path, { token: family.token, ...(named && { child: family.childId }) })
    await read()
    const { result, roundTrips } = await deps.db.countRoundTrips(read)
    expect(result.status).toBe(200)
    expect(roundTrips).toBe(trips)
  })
})

describe('learning time at the door', () => {
  it('is not booked twice when a clock that went backwards catches up again', async () => {
    const { api, clock, deps } = server
    const family = await makeFamily(api)
    const conversation = await startConversation(api, family)
    for (const seconds of [60, -30, 30]) {
      clock.advance(seconds * 1_000)
      expect((await takeTurn(api, family, conversation)).status).toBe(201)
    }
    const booked = await deps.db.prisma.topicDay.aggregate({ where: { childId: family.childId }, _sum: { timeMs: true } })
    expect(booked._sum.timeMs).toBe(60_000)
  })
})
