import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CURIOUS_MIND_TURNS, depthBadges } from '../../src/learning/rewards/badges.ts'
import { longestStreak, milestonesPassed, streakBadgeId } from '../../src/learning/rewards/streak.ts'
import { curriculum } from '../helpers/curriculum.ts'
import { type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const DAY_MS = 86_400_000

describe('the badges of a child', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  /** What the stored events say the child deserves. */
  async function recomputed({ childId }: Family): Promise<string[]> {
    const { prisma } = server.deps.db
    const steps = await prisma.depthStep.findMany({ where: { childId } })
    const ofDepth = curriculum.topics.flatMap((topic) => {
      const depth = Math.max(0, ...steps.filter((step) => step.topicId === topic.id).map((step) => step.depth))
      return depthBadges(topic, 0, depth)
    })
    const { childTurns } = await prisma.learner.findUniqueOrThrow({ where: { childId } })
    const ofTurns = CURIOUS_MIND_TURNS.filter((turns) => childTurns >= turns).map((turns) => `curious_mind_${turns}`)
    const days = await prisma.topicDay.findMany({ where: { childId, turns: { gt: 0 } } })
    const freezes = await prisma.freezeEntry.findMany({ where: { childId, reason: { startsWith: 'used:' } } })
    const dayOf = (row: { day: Date }) => row.day.toISOString().slice(0, 10)
    const longest = longestStreak({ counted: new Set(days.map(dayOf)), frozen: new Set(freezes.map(dayOf)) })
    return [...new Set([...ofDepth, ...ofTurns, ...milestonesPassed(longest).map(streakBadgeId)])].sort()
  }

  it('are those that its stored events say, after days of talk in several topics, a gap and a freeze', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    const topics = [TOPIC.space, TOPIC.physics, TOPIC.animals, TOPIC.space, TOPIC.light, TOPIC.space, TOPIC.physics]
    const start = server.clock.now()
    for (const [index, topic] of topics.entries()) {
      const day = index < 4 ? index : index + 1
      server.clock.set(start + day * DAY_MS)
      if (index === 4) expect((await server.api.post('/v1/streaks/freeze', { token: family.token, child: family.childId })).status).toBe(200)
      const conversation = await startConversation(server.api, family, topic)
      for (let turn = 0; turn < 4 + index * 2; turn += 1) {
        const answer = await takeTurn(server.api, family, conversation, turn % 3 === 2 ? 'Why do stars twinkle?' : turn % 3)
        expect(answer.status, answer.text).toBe(201)
      }
    }
    const stored = await server.deps.db.prisma.badge.findMany({ where: { childId: family.childId } })
    const deserved = await recomputed(family)
    expect(stored.map((badge) => badge.badgeId).sort()).toEqual(deserved)
    expect(deserved).toEqual(expect.arrayContaining(['streak_3', 'streak_7', 'curious_mind_10', 'space_explorer_1', 'deep_thinker_5']))
  })
})
