import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Family, makeFamily, onTheTablet, startConversation, takeTurn } from '../helpers/family.ts'
import { runJob } from '../helpers/jobs.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { purse } from '../helpers/stars.ts'

const MINUTE_MS = 60_000

describe('a conversation that nobody goes on with', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const endIdle = () => runJob(server, 'end-idle-conversations')
  const conversationOf = (id: string) => server.deps.db.prisma.conversation.findUniqueOrThrow({ where: { id } })
  const end = (family: Family, id: string) => server.api.post(`/v1/conversations/${id}/end`, { token: family.token, child: family.childId })

  it('is ended after half an hour as of its last turn, on the day of it, with its stars, and without time nobody spent', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    server.clock.set('2026-11-22T04:50:00Z')
    const conversation = await startConversation(server.api, family)
    server.clock.advance(MINUTE_MS)
    await takeTurn(server.api, family, conversation)
    const lastTurn = server.clock.now()
    server.clock.advance(29 * MINUTE_MS)
    await endIdle()
    expect((await conversationOf(conversation)).endedAt).toBeNull()
    server.clock.advance(MINUTE_MS)
    await endIdle()
    expect((await conversationOf(conversation)).endedAt?.getTime()).toBe(lastTurn)
    const [entry] = await server.deps.db.prisma.starEntry.findMany({ where: { childId: family.childId } })
    expect([entry?.amount, entry?.day.toISOString().slice(0, 10)]).toEqual([5, '2026-11-21'])
    const days = await server.deps.db.prisma.topicDay.findMany({ where: { childId: family.childId } })
    expect(days.reduce((sum, day) => sum + day.timeMs, 0)).toBe(MINUTE_MS)
    const told = await end(family, conversation)
    expect(told.body.data).toMatchObject({ duration_minutes: 1, depth_reached: 1, rewards_earned: [{ type: 'star', amount: 5 }] })
  })

  it('brings nothing when the child said nothing', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    server.clock.advance(31 * MINUTE_MS)
    await endIdle()
    expect((await conversationOf(conversation)).outcome).toMatchObject({ stars: 0, questionsAsked: 0 })
    expect(await purse(server, family)).toMatchObject({ balance: 0, starSum: 0 })
  })

  it('is paid once when two instances and the child end it together, and none of a turn is lost', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation)
    server.clock.advance(31 * MINUTE_MS)
    await Promise.all([endIdle(), endIdle(), end(family, conversation), endIdle()])
    expect(await purse(server, family)).toMatchObject({ balance: 5, starSum: 5 })
    const other = await startConversation(server.api, family)
    await takeTurn(server.api, family, other)
    server.clock.advance(31 * MINUTE_MS)
    const [turn] = await Promise.all([takeTurn(server.api, family, other), endIdle()])
    const { endedAt, childTurns } = await conversationOf(other)
    expect([turn.status, childTurns]).toEqual(endedAt === null ? [201, 2] : [409, 1])
  })

  it('of a child that is erased meanwhile stops nothing', async () => {
    const family = await makeFamily(server.api)
    await startConversation(server.api, family)
    const other = await makeFamily(server.api)
    const left = await startConversation(server.api, other)
    server.clock.advance(31 * MINUTE_MS)
    await Promise.all([server.api.delete(`/v1/children/${family.childId}`, { token: family.token }), endIdle()])
    await endIdle()
    expect((await conversationOf(left)).endedAt).not.toBeNull()
  })
})
