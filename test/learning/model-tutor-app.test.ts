import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { sentencesOf } from '../../src/learning/content/readability.ts'
import { newId } from '../../src/platform/ids.ts'
import { createChild, expectRefusal, type Family, registerParent, startConversation, takeTurn } from '../helpers/family.ts'
import { sseEvents, turnEvents } from '../helpers/live.ts'
import { cuts, fails, hangs, type ModelServer, replies, replyJson, startModelServer, streams, TWO_SUNS, WAYS_ON } from '../helpers/model-server.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket } from '../helpers/socket.ts'

const QUESTION = 'What if a planet had two suns and a flumph?'
const NAME = 'Emma Lovelace-Quist'
const LONGEST_TURN_MS = 120_000

describe('the server with a language model', () => {
  let provider: ModelServer
  let server: TestServer
  let address: string
  let family: Family
  let conversation: string
  beforeAll(async () => {
    provider = await startModelServer()
  })
  afterAll(() => provider.close())

  // A server for each: a circuit that one test has opened stays open for nobody else.
  beforeEach(async () => {
    provider.behave(replies())
    server = await startTestServer({ env: { OPENAI_API_KEY: 'sk-canary-key', OPENAI_BASE_URL: provider.baseUrl, TUTOR_MODEL: 'scripted-model' } })
    address = await server.listen()
    const parent = await registerParent(server.api, { email: `parent.canary.${newId()}@example.com` })
    family = { ...parent, childId: await createChild(server.api, parent.token, { name: NAME }) }
    conversation = await startConversation(server.api, family)
    return () => server.close()
  })

  const asChild = () => ({ token: family.token, child: family.childId })

  it('answers a turn by REST while sockets see it stream sentence by sentence; the message names the model', async () => {
    const socket = await openChildSocket(address, family.token, family.childId)
    const { status, body } = await takeTurn(server.api, family, conversation, QUESTION)
    expect(status).toBe(201)
    expect(body.data.assistant_message).toMatchObject({ content: TWO_SUNS, model: 'scripted-model' })
    expect(body.data.assistant_message.choices.map(({ text }: { text: string }) => text)).toEqual(WAYS_ON.map(({ text }) => text))
    const events = await turnEvents(socket)
    expect(events.filter(({ type }) => type === 'message_chunk').map(({ chunk }) => chunk)).toEqual(sentencesOf(TWO_SUNS))
    expect(events.find(({ type }) => type === 'message_complete')?.message).toEqual(body.data.assistant_message)
    const history = await server.api.get(`/v1/conversations/${conversation}/messages`, asChild())
    expect(history.body.data.at(-1)).toEqual(body.data.assistant_message)
  })

  it('answers a turn by socket, and one by server-sent events', async () => {
    const socket = await openChildSocket(address, family.token, family.childId)
    socket.send({ type: 'message', conversation_id: conversation, content: QUESTION })
    expect((await socket.waitFor('message_result')).data.assistant_message).toMatchObject({ content: TWO_SUNS, model: 'scripted-model' })
    const headers = { accept: 'text/event-stream' }
    const streamed = await server.api.post(`/v1/conversations/${conversation}/messages`, { ...asChild(), headers, body: { choice_index: 0 } })
    const chunks = sseEvents(streamed.text).filter(({ event }) => event === 'message_chunk')
    expect(chunks.map(({ data }) => data.chunk)).toEqual(sentencesOf(TWO_SUNS))
  })

  it('falls back to the builtin tutor in the same turn, and says so', async () => {
    provider.behave(fails(401))
    const { status, body } = await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')
    expect(status).toBe(201)
    expect(body.data.assistant_message).toMatchObject({ content: expect.stringContaining('The star shines steadily.'), model: 'builtin' })
    expect(body.data.assistant_message.choices).toHaveLength(3)
  })

  it('goes on with the builtin tutor from the choices of a model that has gone away', async () => {
    await takeTurn(server.api, family, conversation, QUESTION)
    provider.behave(fails(401))
    const stars = await takeTurn(server.api, family, conversation, 0)
    expect(stars.body.data.assistant_message).toMatchObject({ model: 'builtin', content: expect.stringContaining('A star is') })

    provider.behave(replies({ choices: ['Could a flumph juggle?', ...WAYS_ON] }))
    await takeTurn(server.api, family, conversation, QUESTION)
    provider.behave(fails(401))
    const flumph = await takeTurn(server.api, family, conversation, 0)
    expect([flumph.status, flumph.body.data.user_message.content]).toEqual([201, 'Could a flumph juggle?'])
    expect(flumph.body.data.assistant_message.model).toBe('builtin')
    expect((await takeTurn(server.api, family, conversation, 2)).status).toBe(201)
  })

  it('keeps what was said of a reply that was cut off, and counts the turn', async () => {
    const json = replyJson()
    provider.behave(streams(json.slice(0, json.indexOf('the other may')), { after: cuts }))
    const { body } = await takeTurn(server.api, family, conversation, QUESTION)
    expect(body.data.assistant_message.content.trim()).toBe(sentencesOf(TWO_SUNS).slice(0, 2).join('').trim())
    expect(body.data.assistant_message.model).toBe('scripted-model')
    expect(body.data.assistant_message.choices).toHaveLength(3)
  })

  it('aborts the request of a turn that takes too long; the words are kept, and a retry is answered', async () => {
    const [timeout, tooLong] = [AbortSignal.timeout, new AbortController()]
    const spy = vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => (ms === LONGEST_TURN_MS ? tooLong.signal : timeout.call(AbortSignal, ms)))
    try {
      provider.behave(hangs)
      const from = provider.requests.length
      const turn = takeTurn(server.api, family, conversation, QUESTION)
      await provider.asked(from + 1)
      tooLong.abort(new Error('the turn took too long'))
      expectRefusal(await turn, 503, 'SERVICE_UNAVAILABLE')
      expect(await provider.requests[from]?.hungUp).toBe(true)
      expect(provider.requests).toHaveLength(from + 1)
    } finally {
      spy.mockRestore()
    }
    provider.behave(replies())
    expect((await takeTurn(server.api, family, conversation, QUESTION)).body.data.assistant_message.model).toBe('scripted-model')
    expect(await server.deps.db.prisma.message.count({ where: { conversationId: conversation, role: 'user' } })).toBe(1)
  })

  // Attack: whoever reads along at the provider, or reads the logs, learns who a child is and what it says.
  it('tells the provider no name, address or id, and the logs nothing of what was said', async () => {
    provider.behave(fails(500, { error: { message: `flumph: ${QUESTION}` } }), replies())
    const from = provider.requests.length
    await takeTurn(server.api, family, conversation, QUESTION)
    await takeTurn(server.api, family, conversation, 0)
    provider.behave(streams('flumph prose'), fails(401, { error: { message: 'flumph' } }))
    await takeTurn(server.api, family, conversation, 1)
    const sent = JSON.stringify(provider.requests.slice(from).map(({ body, headers }) => [body, headers]))
    for (const secret of ['Lovelace', 'Quist', 'Alex', 'canary.', '@example.com', family.id, family.childId, conversation]) expect(sent).not.toContain(secret)
    const logs = server.logs.join('\n')
    expect(logs).toContain('"failure":"status","status":500')
    for (const secret of ['flumph', 'Lovelace', 'sk-canary-key', 'shadow']) expect(logs).not.toContain(secret)
  })
})

describe('the server without a key', () => {
  it('has the builtin tutor alone', async () => {
    const server = await startTestServer({ env: { OPENAI_API_KEY: ' ' } })
    expect(server.deps.tutor).toBe(server.deps.builtin)
    await server.close()
  })
})
