import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Passage, Topic } from '../../src/learning/curriculum/curriculum.ts'
import { curriculum, topicNamed } from '../helpers/curriculum.ts'
import { expectRefusal, type Family, makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const animals = topicNamed('animals')
const nature = topicNamed('nature')
const crossingOf = (from: Topic, to: Topic): Passage => curriculum.passagesOf(from, 'curious_explorers').find((passage) => passage.across === to) as Passage

async function discovered(family: Family): Promise<string[]> {
  const { body } = await server.api.get('/v1/constellation', { token: family.token, child: family.childId })
  const connections = body.data.connections as { from: string; to: string; discovered: boolean }[]
  const nameOf = (id: string) => curriculum.topic(id)?.slug
  return connections.filter((connection) => connection.discovered).map(({ from, to }) => [nameOf(from), nameOf(to)].toSorted().join('-'))
}

const evidenceOf = (family: Family) =>
  server.deps.db.prisma.growthEvidence.findMany({ where: { childId: family.childId, skill: 'knowledge_connection' }, select: { weight: true } })

describe('a crossing', () => {
  it('taken by choice discovers the connection, and counts as connecting knowledge', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family, animals.id)
    const asks = new Set(
      curriculum
        .passagesOf(animals, 'curious_explorers')
        .filter((passage) => passage.across === nature)
        .map((passage) => passage.ask),
    )
    let next = 0
    for (let turn = 0; turn < 12 && (await discovered(family)).length === 0; turn += 1) {
      const { status, body } = await takeTurn(server.api, family, conversation, next)
      expect(status).toBe(201)
      const choices = body.data.assistant_message.choices as { text: string }[]
      const crossing = choices.findIndex((choice) => asks.has(choice.text))
      next = crossing >= 0 ? crossing : 0
    }
    expect(await discovered(family)).toEqual(['animals-nature'])
    expect(await evidenceOf(family)).toHaveLength(1)
    const progress = await server.deps.db.prisma.topicProgress.findMany({ where: { childId: family.childId }, orderBy: { depth: 'desc' } })
    expect(progress.map(({ topicId, conversationsCount }) => [topicId, conversationsCount])).toEqual([
      [animals.id, 1],
      [nature.id, 0],
    ])
    expect(progress[1]?.depth).toBe(0)
  })

  it('asked for in a child’s own words discovers the connection too', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family, animals.id)
    const { body } = await takeTurn(server.api, family, conversation, crossingOf(animals, nature).ask)
    expect(body.data.assistant_message.content).toBe(crossingOf(animals, nature).sentences.join(''))
    expect(await discovered(family)).toEqual(['animals-nature'])
  })

  // Attack: hearing of a restricted topic by the passage that leads into it.
  it('into a restricted topic is neither told nor discovered', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family, animals.id)
    const restricted = await server.api.patch(`/v1/children/${family.childId}`, {
      token: family.token,
      body: { settings: { restricted_topics: [nature.id] } },
    })
    expect(restricted.status, restricted.text).toBe(200)
    const crossing = crossingOf(animals, nature)
    const { status, body } = await takeTurn(server.api, family, conversation, crossing.ask)
    expect(status).toBe(201)
    expect(body.data.assistant_message.content).not.toBe(crossing.sentences.join(''))
    expect(await discovered(family)).toEqual([])
    expectRefusal(await server.api.get(`/v1/topics/${nature.id}`, { token: family.token, child: family.childId }), 403, 'FORBIDDEN')
  })
})
