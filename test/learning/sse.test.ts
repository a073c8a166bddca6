import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { expectRefusal, type Family, makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { gatedTutor } from '../helpers/gated-tutor.ts'
import { eventsOf, sseEvents, turnEnds, turnEvents } from '../helpers/live.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../helpers/server.ts'
import { openChildSocket } from '../helpers/socket.ts'

const ACCEPT = { accept: 'text/event-stream' }

function streamTurn(server: TestServer, family: Family, conversationId: string, body: unknown = { choice_index: 0 }, key?: string): Promise<ApiResponse> {
  return server.api.post(`/v1/conversations/${conversationId}/messages`, { token: family.token, child: family.childId, body, key, headers: ACCEPT })
}

const messagesOf = (server: TestServer, conversationId: string) =>
  server.deps.db.prisma.message.findMany({ where: { conversationId }, orderBy: { seq: 'asc' } })
const errorsIn = (server: TestServer) => server.logs.filter((line) => line.includes('"level":"error"'))

describe('a turn as a stream of events', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('gives the chunks in order, then one message_complete with the body of the JSON answer', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const key = newId()
    const response = await streamTurn(server, family, conversation, { choice_index: 1 }, key)
    expect(response.status).toBe(201)
    expect(response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'x-ratelimit-limit': expect.stringMatching(/^\d+$/),
    })
    expect(response.headers['idempotency-replayed']).toBeUndefined()
    const events = sseEvents(response.text)
    const chunks = events.slice(0, -1)
    expect(chunks.length).toBeGreaterThan(0)
    expect(chunks).toEqual(chunks.map(({ data }, index) => ({ event: 'message_chunk', data: { chunk: data.chunk, chunk_index: index } })))
    const complete = events.at(-1)
    expect(complete?.event).toBe('message_complete')
    expect(complete?.data.meta).toEqual({ request_id: response.headers['x-request-id'] })
    expect(chunks.map(({ data }) => data.chunk).join('')).toBe(complete?.data.data.assistant_message.content)

    const asJson = await takeTurn(server.api, family, conversation, 1, key)
    expect(asJson.headers['idempotency-replayed']).toBe('true')
    expect(asJson.body.data).toEqual(complete?.data.data)
    expect(Object.keys(complete?.data).sort()).toEqual(Object.keys(asJson.body).sort())
  })

  it('streams to the sockets of the child as well, with the same chunks', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(await listening(), family.token, family.childId)
    const events = sseEvents((await streamTurn(server, family, conversation)).text)
    const seen = await turnEvents(socket)
    const chunksOf = (chunks: readonly { chunk: string; chunk_index: number }[]) => chunks.map(({ chunk, chunk_index }) => ({ chunk, chunk_index }))
    expect(chunksOf(events.filter(({ event }) => event === 'message_chunk').map(({ data }) => data))).toEqual(
      chunksOf(seen.filter((frame) => frame.type === 'message_chunk').map((frame) => ({ chunk: frame.chunk, chunk_index: frame.chunk_index }))),
    )
    expect(seen.find((frame) => frame.type === 'message_complete')?.message).toEqual(events.at(-1)?.data.data.assistant_message)
  })

  it('shown again with its key gives the same message_complete and stores nothing', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const [streamed, asJson] = [newId(), newId()]
    const first = sseEvents((await streamTurn(server, family, conversation, { content: 'Why do stars twinkle?' }, streamed)).text).at(-1)
    const again = await streamTurn(server, family, conversation, { content: ' Why do stars twinkle?', is_free_form: true }, streamed)
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([201, 'true'])
    expect(sseEvents(again.text).at(-1)).toMatchObject({ event: 'message_complete', data: { data: first?.data.data } })

    const second = await takeTurn(server.api, family, conversation, 0, asJson)
    const replayed = await streamTurn(server, family, conversation, { choice_index: 0 }, asJson)
    expect(replayed.headers['idempotency-replayed']).toBe('true')
    expect(sseEvents(replayed.text).at(-1)).toMatchObject({ event: 'message_complete', data: { data: second.body.data } })
    expect(await messagesOf(server, conversation)).toHaveLength(5)
  })

  it('refused before it begins is an ordinary error with its status', async () => {
    const [family, stranger] = [await makeFamily(server.api), await makeFamily(server.api)]
    const conversation = await startConversation(server.api, family)
    const key = newId()
    const refusals: [Promise<ApiResponse>, number, string, string?][] = [
      [streamTurn(server, family, conversation, { choice_index: 3 }), 400, 'INVALID_CHOICE'],
      [streamTurn(server, family, conversation, {}), 400, 'VALIDATION_ERROR', 'content'],
      [streamTurn(server, family, conversation, { content: 'hi', mood: 'good' }), 400, 'VALIDATION_ERROR', 'mood'],
      [streamTurn(server, family, 'space'), 400, 'VALIDATION_ERROR', 'conversation_id'],
      [streamTurn(server, family, conversation, { choice_index: 0 }, 'with space'), 400, 'VALIDATION_ERROR', 'Idempotency-Key'],
      [streamTurn(server, { ...family, token: 'nobody' }, conversation), 401, 'UNAUTHORIZED'],
      [streamTurn(server, { ...family, childId: stranger.childId }, conversation), 403, 'CHILD_ACCESS_DENIED'],
      [streamTurn(server, stranger, conversation), 404, 'NOT_FOUND'],
      [streamTurn(server, family, newId()), 404, 'NOT_FOUND'],
    ]
    for (const [response, status, code, field] of refusals) {
      const refused = await response
      expectRefusal(refused, status, code, field)
      expect(refused.headers['content-type']).toBe('application/json; charset=utf-8')
    }
    expect(await messagesOf(server, conversation)).toHaveLength(1)
    await streamTurn(server, family, conversation, { choice_index: 0 }, key)
    expectRefusal(await streamTurn(server, family, conversation, { choice_index: 1 }, key), 422, 'UNPROCESSABLE_ENTITY')
    await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })
    expectRefusal(await streamTurn(server, family, conversation), 409, 'CONFLICT')
    await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { daily_time_limit_minutes: 0 } } })
    const late = await streamTurn(server, family, conversation)
    expectRefusal(late, 403, 'TIME_LIMIT_REACHED')
    expect(late.body.error).toMatchObject({ reason: 'time_limit', child_message: expect.stringMatching(/./), child_animation: 'sleepy_mascot' })
  })

  let address: string | undefined
  async function listening(): Promise<string> {
    address ??= await server.listen()
    return address
  }
})

describe('a streamed turn', () => {
  const open: TestServer[] = []
  const start = async (options: TestServerOptions) => {
    const server = await startTestServer(options)
    open.push(server)
    return server
  }
  afterEach(async () => {
    for (const server of open.splice(0).reverse()) await server.close()
  })

  it('that the model breaks off ends with one error event and is answered by a retry with its key', async () => {
    const tutor = gatedTutor('Let me think. ')
    const server = await start({ tutor })
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const key = newId()
    const content = 'Why does the canary-7391 sing?'
    const response = streamTurn(server, family, conversation, { content }, key)
    await tutor.asked(1)
    tutor.fail(new Error(`no answer to ${content}`))
    const failed = await response
    expect(failed.status).toBe(201)
    const events = sseEvents(failed.text)
    expect(events.map(({ event }) => event)).toEqual(['message_chunk', 'error'])
    expect(events[0]?.data).toEqual({ chunk: 'Let me think. ', chunk_index: 0 })
    expect(events[1]?.data).toEqual({
      error: {
        code: 'SERVICE_UNAVAILABLE',
        message: 'Service temporarily unavailable',
        retry_after: 2,
        child_message: expect.stringMatching(/./),
        child_animation: 'sleepy_mascot',
        request_id: failed.headers['x-request-id'],
      },
    })
    const [, said] = await messagesOf(server, conversation)

    const working = await start({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock })
    const retried = sseEvents((await streamTurn(working, family, conversation, { content }, key)).text)
    expect(retried.at(-1)).toMatchObject({ event: 'message_complete', data: { data: { user_message: { id: said?.id, content } } } })
    expect((await messagesOf(server, conversation)).map((message) => message.role)).toEqual(['assistant', 'user', 'assistant'])
    expect(server.logs.filter((line) => line.includes('canary-7391'))).toEqual([])
  })

  it('that the model breaks off is a fault in the log, as it is by REST and by socket', async () => {
    const tutor = gatedTutor()
    tutor.fail(new Error('the model is gone'))
    const server = await start({ tutor })
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')
    expect(errorsIn(server)).toHaveLength(1)
    await streamTurn(server, family, conversation, { content: 'Why do stars twinkle?' })
    expect(errorsIn(server)).toHaveLength(2)
  })

  it('while another is running is a conflict', async () => {
    const tutor = gatedTutor()
    const server = await start({ tutor })
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const first = streamTurn(server, family, conversation, { content: 'How far is the Moon?' })
    await tutor.asked(1)
    expectRefusal(await streamTurn(server, family, conversation, { content: 'And the Sun?' }), 409, 'CONFLICT')
    tutor.open()
    expect(sseEvents((await first).text).map(({ event }) => event)).toEqual(['message_chunk', 'message_chunk', 'message_complete'])
  })

  it('whose reader goes away in the middle is finished, stands in the history, and a retry with its key gives it', async () => {
    const tutor = gatedTutor('Let me think. ', 'Here it is.')
    const server = await start({ tutor })
    const address = await server.listen()
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    const key = newId()
    const body = { content: 'Why do stars twinkle?' }
    const arrival = once(server.app.server, 'request') as Promise<[IncomingMessage, ServerResponse]>
    const leaving = http.request(`${address}/v1/conversations/${conversation}/messages`, {
      method: 'POST',
      headers: { ...ACCEPT, authorization: `Bearer ${family.token}`, 'x-child-id': family.childId, 'idempotency-key': key, 'content-type': 'application/json' },
    })
    leaving.on('error', () => {})
    leaving.end(JSON.stringify(body))
    const [response] = (await once(leaving, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    expect(response.statusCode).toBe(201)
    const [first] = (await once(response, 'data')) as [Buffer]
    expect(String(first)).toBe('event: message_chunk\ndata: {"chunk":"Let me think. ","chunk_index":0}\n\n')
    const gone = once((await arrival)[1], 'close')
    leaving.destroy()
    await gone

    const ended = turnEnds(server, family.childId)
    tutor.open()
    await ended
    const events = await turnEvents(socket)
    expect(events.map((event) => event.type)).toEqual(['typing', 'message_chunk', 'message_chunk', 'message_complete', 'typing'])
    expect(eventsOf(socket.frames)).toEqual(events)
    const stored = await messagesOf(server, conversation)
    expect(stored.map((message) => [message.role, message.content]).slice(1)).toEqual([
      ['user', 'Why do stars twinkle?'],
      ['assistant', 'Let me think. Here it is.'],
    ])
    const again = await streamTurn(server, family, conversation, body, key)
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(sseEvents(again.text).at(-1)?.data.data.assistant_message).toMatchObject({ id: stored[2]?.id, content: 'Let me think. Here it is.' })
    expect(errorsIn(server)).toEqual([])
  })
})
