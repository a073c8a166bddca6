import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('conversations', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('greets the child by name with three choices', async () => {
    const { api } = server
    const family = await makeFamily(api)
    const response = await api.post('/v1/conversations', {
      token: family.token,
      child: family.childId,
      body: { topic_id: TOPIC.space, conversation_type: 'exploration' },
    })
    expect(response.status).toBe(201)
    const { opening_message: opening, topic, depth_level } = response.body.data
    expect(topic).toEqual({ id: TOPIC.space, name: 'Space' })
    expect(depth_level).toBe(0)
    expect(opening).toMatchObject({ role: 'assistant', content: expect.stringContaining('Emma') })
    expect(opening.choices.map((choice: { index: number }) => choice.index)).toEqual([0, 1, 2])
  })

  it('takes turns and refuses an unknown choice', async () => {
    const { api } = server
    const family = await makeFamily(api)
    const conversation = await startConversation(api, family)
    const turn = await takeTurn(api, family, conversation, 0)
    expect(turn.status).toBe(201)
    expect(turn.body.data.depth_level).toBe(1)
    expectRefusal(await takeTurn(api, family, conversation, 3), 400, 'INVALID_CHOICE')
  })
})
