import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const MINUTE_MS = 60_000

describe('progress', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const who = (family: Family) => ({ token: family.token, child: family.childId })
  const get = async (family: Family, path: string) => (await server.api.get(path, who(family))).body

  /** Talks by choice, a minute a turn, then ends. */
  async function talk(family: Family, topicId: string, turns: number): Promise<void> {
    const conversation = await startConversation(server.api, family, topicId)
    for (let turn = 0; turn < turns; turn += 1) {
      server.clock.advance(MINUTE_MS)
      expect((await takeTurn(server.api, family, conversation)).status).toBe(201)
    }
    await server.api.post(`/v1/conversations/${conversation}/end`, who(family))
  }

  it('of a child that has done nothing is all zeroes, with the open topics', async () => {
    const family = await makeFamily(server.api)
    expect((await get(family, '/v1/progress')).data).toEqual({
      total_time_spent_minutes: 0,
      topics_unlocked: 10,
      topics_explored: 0,
      total_depth_reached: 0,
      conversations_count: 0,
      questions_asked: 0,
      aha_moments: 0,
      streak: { current: 0, longest: 0 },
      stars: { balance: 0, lifetime_earned: 0 },
      badges_count: 0,
    })
    expect((await get(family, '/v1/progress/topics')).data).toEqual([])
  })

  it('adds up time, depth, questions, stars, badges and moments, each read in two round trips', async () => {
    const family = await makeFamily(server.api)
    await talk(family, TOPIC.space, 11)
    await talk(family, TOPIC.physics, 6)
    const { result, roundTrips } = await server.deps.db.countRoundTrips(() => get(family, '/v1/progress'))
    expect(roundTrips).toBeLessThanOrEqual(2)
    // Space reached 3, and 5; Physics is connected with it and reached 3.
    expect(result.data).toMatchObject({
      total_time_spent_minutes: 17,
      topics_explored: 2,
      total_depth_reached: 5 + 3,
      conversations_count: 2,
      questions_asked: 17,
      aha_moments: 3,
      streak: { current: 1, longest: 1 },
      stars: { balance: 40, lifetime_earned: 40 },
    })
    expect(result.data.badges_count).toBe((await get(family, '/v1/rewards?type=badge')).data.badges.length)
    const topics = await server.deps.db.countRoundTrips(() => get(family, '/v1/progress/topics'))
    expect(topics.roundTrips).toBeLessThanOrEqual(2)
    expect(topics.result.data[0]).toEqual({
      topic_id: TOPIC.space,
      topic_name: 'Space',
      depth_level: 5,
      max_depth: 10,
      time_spent_minutes: 11,
      conversations_count: 1,
      unlocked_at: '2026-11-21T17:00:00Z',
      last_interaction: expect.stringMatching(/^2026-11-21T17:11/),
    })
  })

  it('tells since when a topic has been open: from the depth of its prerequisite on', async () => {
    const family = await makeFamily(server.api)
    const unlocked = async () => (await get(family, '/v1/progress')).data.topics_unlocked
    const before = await unlocked()
    await talk(family, TOPIC.physics, 3)
    expect(await unlocked()).toBeGreaterThan(before)
    const reached = await server.deps.db.prisma.depthStep.findUniqueOrThrow({
      where: { childId_topicId_depth: { childId: family.childId, topicId: TOPIC.physics, depth: 2 } },
    })
    await talk(family, TOPIC.light, 1)
    const light = (await get(family, '/v1/progress/topics')).data.find((line: { topic_id: string }) => line.topic_id === TOPIC.light)
    expect(Date.parse(light.unlocked_at)).toBe(Math.floor(reached.reachedAt.getTime() / 1_000) * 1_000)
  })

  it('shows the last days of the child, newest first, empty ones too', async () => {
    server.clock.set('2026-10-24T16:00:00Z')
    const family = await onTheTablet(server.api, await makeFamily(server.api, { timezone: 'Europe/Berlin' }))
    await talk(family, TOPIC.space, 3)
    server.clock.set('2026-10-26T16:00:00Z')
    await talk(family, TOPIC.animals, 2)
    const { result, roundTrips } = await server.deps.db.countRoundTrips(() => get(family, '/v1/progress/activity?days=3'))
    expect(roundTrips).toBeLessThanOrEqual(2)
    expect(result.data).toEqual([
      { date: '2026-10-26', time_spent_minutes: 2, topics_explored: ['Animals'], brain_spark_completed: false, stars_earned: 5, streak_day: 1 },
      { date: '2026-10-25', time_spent_minutes: 0, topics_explored: [], brain_spark_completed: false, stars_earned: 0, streak_day: 0 },
      { date: '2026-10-24', time_spent_minutes: 3, topics_explored: ['Space'], brain_spark_completed: false, stars_earned: 10, streak_day: 1 },
    ])
    expect((await get(family, '/v1/progress/activity')).data).toHaveLength(7)
    expect((await get(family, '/v1/progress/activity?days=30')).data).toHaveLength(30)
    for (const days of ['0', '31', 'x', '1.5'])
      expectRefusal(await server.api.get(`/v1/progress/activity?days=${days}`, who(family)), 400, 'VALIDATION_ERROR', 'days')
  })

  it('is for the child and its parent alone', async () => {
    const family = await makeFamily(server.api)
    const other = await makeFamily(server.api)
    for (const path of ['/v1/progress', '/v1/progress/topics', '/v1/progress/activity', '/v1/rewards', '/v1/shop']) {
      expectRefusal(await server.api.get(path), 401, 'UNAUTHORIZED')
      expectRefusal(await server.api.get(path, { token: family.token }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
      expectRefusal(await server.api.get(path, { token: other.token, child: family.childId }), 403, 'CHILD_ACCESS_DENIED')
    }
  })
})
