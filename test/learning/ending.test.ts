import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { expectRefusal, type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('ending a conversation', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const end = (family: Family, conversation: string, key?: string) =>
    server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId, key })
  const wallet = (family: Family) => server.deps.db.prisma.wallet.findUniqueOrThrow({ where: { childId: family.childId } })
  const ledgerSum = async (family: Family) =>
    (await server.deps.db.prisma.starEntry.aggregate({ where: { childId: family.childId }, _sum: { amount: true } }))._sum.amount ?? 0

  /** Talks by choice until the conversation has `turns` turns, then ends it; the stars it paid. */
  async function talk(family: Family, turns: number, topicId: string = TOPIC.space): Promise<number> {
    const conversation = await startConversation(server.api, family, topicId)
    for (let turn = 0; turn < turns; turn += 1) expect((await takeTurn(server.api, family, conversation)).status).toBe(201)
    const ended = await end(family, conversation)
    return ended.body.data.rewards_earned.find((reward: { type: string }) => reward.type === 'star')?.amount ?? 0
  }

  it('tells what was explored, how deep, how long, and pays five stars a depth', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    for (let turn = 0; turn < 6; turn += 1) {
      server.clock.advance(60_000)
      await takeTurn(server.api, family, conversation)
    }
    server.clock.advance(60_000)
    const ended = await end(family, conversation)
    expect(ended.status).toBe(200)
    expect(ended.body.data).toEqual({
      conversation_id: conversation,
      summary: expect.stringMatching(/^Emma explored .+, and .+!$/),
      duration_minutes: 7,
      depth_reached: 3,
      questions_asked: 6,
      rewards_earned: [
        { type: 'star', amount: 15 },
        { type: 'badge', id: 'space_explorer_1', name: 'Space Explorer', animation: 'badge_reveal' },
      ],
      progress_update: { topic: 'Space', previous_depth: 0, new_depth: 3 },
    })
    expect(await wallet(family)).toMatchObject({ balance: 15, lifetimeEarned: 15 })
  })

  it('stops the time: none runs until the child begins again, however many talks are ended', async () => {
    const family = await makeFamily(server.api)
    const used = async () => (await server.api.get('/v1/session', { token: family.token, child: family.childId })).body.data.time.used_minutes
    const conversations = [await startConversation(server.api, family), await startConversation(server.api, family)]
    server.clock.advance(61_000)
    await takeTurn(server.api, family, conversations[0] as string)
    for (const conversation of conversations) {
      await end(family, conversation)
      server.clock.advance(120_000)
    }
    expect(await used()).toBe(1)
    await startConversation(server.api, family)
    server.clock.advance(60_000)
    expect(await used()).toBe(2)
  })

  it('twice tells the same and pays once', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation)
    const first = await end(family, conversation)
    server.clock.advance(3_600_000)
    const second = await end(family, conversation)
    expect(second.body.data).toEqual(first.body.data)
    expect(await wallet(family)).toMatchObject({ balance: 5 })
  })

  it('pays once when a hundred devices end it together', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation)
    const answers = await Promise.all(Array.from({ length: 100 }, () => end(family, conversation)))
    // On a busy machine some wait too long for a connection and are told to come back.
    const [ended, later] = [answers.filter((answer) => answer.status === 200), answers.filter((answer) => answer.status === 503)]
    expect([ended.length + later.length, ended.length > 0]).toEqual([100, true])
    expect(new Set(ended.map((answer) => JSON.stringify(answer.body.data))).size).toBe(1)
    expect([(await wallet(family)).balance, await ledgerSum(family)]).toEqual([5, 5])
  })

  it('pays a depth once a day and topic, whichever conversation reached it', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    expect(await talk(family, 3)).toBe(10)
    expect(await talk(family, 1)).toBe(0)
    expect(await talk(family, 6)).toBe(5)
    expect(await talk(family, 3, TOPIC.animals)).toBe(10)
    server.clock.advance(24 * 3_600_000)
    expect(await talk(family, 3)).toBe(10)
    expect(await wallet(family)).toMatchObject({ balance: 35, lifetimeEarned: 35 })
    expect(await ledgerSum(family)).toBe(35)
  })

  it('pays each depth once when conversations about one topic end together', async () => {
    const family = await makeFamily(server.api)
    const conversations = []
    for (let count = 0; count < 5; count += 1) {
      const conversation = await startConversation(server.api, family)
      for (let turn = 0; turn < 3; turn += 1) await takeTurn(server.api, family, conversation)
      conversations.push(conversation)
    }
    await Promise.all(conversations.map((conversation) => end(family, conversation)))
    expect([(await wallet(family)).balance, await ledgerSum(family)]).toEqual([10, 10])
  })

  it('pays at most 150 stars a day', async () => {
    const family = await makeFamily(server.api, { settings: { daily_time_limit_minutes: 1440 } })
    const stars = []
    for (const topic of [TOPIC.space, TOPIC.animals, TOPIC.physics, '770e8400-e29b-41d4-a716-446655440005']) stars.push(await talk(family, 21, topic))
    expect(stars).toEqual([50, 50, 50, 0])
    expect(await ledgerSum(family)).toBe(150)
  })

  it('without a turn of the child pays nothing', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const ended = await end(family, conversation)
    expect(ended.body.data).toMatchObject({ questions_asked: 0, depth_reached: 0, rewards_earned: [], summary: 'Emma had a first look at Space.' })
    expect(await ledgerSum(family)).toBe(0)
  })

  it('races with a turn: either the turn counts or it is refused, never half', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation)
    const [turn, ended] = await Promise.all([takeTurn(server.api, family, conversation), end(family, conversation)])
    expect([201, 409]).toContain(turn.status)
    expect([200, 409]).toContain(ended.status)
    const { body } = await end(family, conversation)
    const replies = await server.deps.db.prisma.message.count({ where: { conversationId: conversation, inReplyTo: { not: null } } })
    expect(body.data.questions_asked).toBe(replies)
  })

  it('is refused where the conversation is missing or foreign', async () => {
    const family = await makeFamily(server.api)
    const stranger = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    expectRefusal(await end(family, newId()), 404, 'NOT_FOUND')
    expectRefusal(await end(stranger, conversation), 404, 'NOT_FOUND')
    expectRefusal(await server.api.post(`/v1/conversations/${conversation}/end`), 401, 'UNAUTHORIZED')
    expectRefusal(await server.api.post('/v1/conversations/x/end', { token: family.token, child: family.childId }), 400, 'VALIDATION_ERROR', 'conversation_id')
  })
})
