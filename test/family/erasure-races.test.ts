import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const ROUNDS = 8

describe('deleting a child', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  // Both lock the child before its rows; in opposite orders PostgreSQL would have to kill one of them.
  it.each(['turn', 'ending', 'start', 'dismissal'] as const)('succeeds while a %s of the child is on its way', async (kind) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const family = await makeFamily(server.api)
      const who = { token: family.token, child: family.childId }
      const conversation = await startConversation(server.api, family)
      const said = (await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')).body.data.user_message.id
      const other = {
        turn: () => takeTurn(server.api, family, conversation),
        ending: () => server.api.post(`/v1/conversations/${conversation}/end`, who),
        dismissal: () =>
          server.api.post(`/v1/dashboard/children/${family.childId}/growth/${said}/dismiss`, { token: family.token, body: { skill: 'critical_thinking' } }),
        start: () => server.api.post('/v1/conversations', { ...who, body: { topic_id: '770e8400-e29b-41d4-a716-446655440006' } }),
      }[kind]
      const [deleted, answer] = await Promise.all([server.api.delete(`/v1/children/${family.childId}`, { token: family.token }), other()])
      expect(deleted.status, deleted.text).toBe(204)
      expect([200, 201, 403, 404, 409]).toContain(answer.status)
      expect(await server.deps.db.prisma.child.count({ where: { id: family.childId } })).toBe(0)
    }
  })
})
