import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { type Family, makeFamily, TOPIC, takeTurn } from '../helpers/family.ts'
import { calm } from '../helpers/live.ts'
import { until } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openSocket } from '../helpers/socket.ts'

/** What clients add that would rather speak HTTP/2: the one of Java does by default. */
const H2C = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA' }
const WEBSOCKET = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' }

describe('a request that asks for another protocol', () => {
  let server: TestServer
  let address: string
  let family: Family
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
    family = await makeFamily(server.api)
  })
  afterAll(() => server.close())
  beforeEach(() => calm(server))

  /** Sends the body, if any, in two parts. */
  async function ask(method: string, path: string, wish: Readonly<Record<string, string | undefined>>, body?: object, key?: string) {
    const headers = Object.fromEntries(
      Object.entries({ authorization: `Bearer ${family.token}`, 'x-child-id': family.childId, 'idempotency-key': key, ...wish }).filter(([, value]) => value),
    )
    const asking = request(address + path, { method, headers: { ...headers, ...(body && { 'content-type': 'application/json' }) } })
    asking.on('upgrade', (_response, socket) => socket.destroy(new Error('upgraded')))
    const answering = once(asking, 'response') as Promise<[IncomingMessage]>
    const json = body ? JSON.stringify(body) : ''
    if (json) {
      asking.write(json.slice(0, 5))
      await once(asking, 'socket')
    }
    asking.end(json.slice(5))
    const [response] = await answering
    const answer = await text(response)
    return { status: response.statusCode, headers: response.headers, body: answer ? JSON.parse(answer) : undefined }
  }

  it.each([
    ['HTTP/2', H2C],
    ['a WebSocket', WEBSOCKET],
  ])('%s where there is none is answered as if it had not', async (_what, wish) => {
    const started = await ask('POST', '/v1/conversations', wish, { topic_id: TOPIC.space })
    expect(started.status).toBe(201)
    const conversation = started.body.data.conversation_id
    const turn = await ask('POST', `/v1/conversations/${conversation}/messages`, wish, { choice_index: 0 })
    expect(turn.status).toBe(201)
    expect((await ask('GET', `/v1/conversations/${conversation}/messages`, wish)).body.data.at(-1)).toEqual(turn.body.data.assistant_message)
    expect(await ask('GET', '/v1/nothing', wish)).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } })
    expect(await ask('POST', '/v1/conversations', wish, { topic_id: 'x'.repeat(70_000) })).toMatchObject({ status: 413 })
    expect((await ask('DELETE', `/v1/children/${newId()}`, wish)).body.error.code).toBe('CHILD_ACCESS_DENIED')
  })

  // Attack: claims of Idempotency-Keys that nobody ever settles, each renewed in the database every five seconds for ever.
  it.each([
    ['HTTP/2', H2C],
    ['a WebSocket', WEBSOCKET],
  ])('%s settles the Idempotency-Key it shows', async (_what, wish) => {
    const key = newId()
    const conversation = (await ask('POST', '/v1/conversations', {}, { topic_id: TOPIC.space })).body.data.conversation_id
    await takeTurn(server.api, family, conversation)
    const [first, again] = [
      await ask('POST', `/v1/conversations/${conversation}/end`, wish, undefined, key),
      await ask('POST', `/v1/conversations/${conversation}/end`, wish, undefined, key),
    ]
    expect([first.status, again.status]).toEqual([200, 200])
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.body).toEqual(first.body)
  })

  it.each([
    ['without a key', { ...WEBSOCKET, 'sec-websocket-key': undefined }],
    ['with a key that is none', { ...WEBSOCKET, 'sec-websocket-key': 'x' }],
    ['without a version', { ...WEBSOCKET, 'sec-websocket-version': undefined }],
    ['in a version nobody speaks', { ...WEBSOCKET, 'sec-websocket-version': '99' }],
    ['and is HTTP/2', H2C],
  ])('at a WebSocket door, %s, is told how to ask', async (_how, wish) => {
    for (const path of ['/v1/ws', '/ws?from=here']) {
      const refused = await ask('GET', path, wish)
      expect(refused).toMatchObject({ status: 426, body: { error: { code: 'VALIDATION_ERROR' } } })
      expect(refused.headers).toMatchObject({ upgrade: 'websocket', 'sec-websocket-version': '13', 'x-request-id': expect.any(String) })
    }
  })

  const headOf = (path: string, wish: Readonly<Record<string, string>> = {}) =>
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${Object.entries(wish)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`

  /** Sends requests at once on one connection; `heard` is all that was answered. */
  async function pipeline(...heads: readonly string[]) {
    const socket = connect(Number(new URL(address).port), '127.0.0.1')
    const talk = { socket, heard: '' }
    socket.on('data', (bytes) => {
      talk.heard += bytes
    })
    await once(socket, 'connect')
    socket.write(heads.join(''))
    return talk
  }

  it.each([
    ['HTTP/2', H2C],
    ['a WebSocket', WEBSOCKET],
  ])('%s while what was asked before is being answered is answered behind it', async (_what, wish) => {
    const talk = await pipeline(headOf('/readyz'), headOf('/v1/openapi.json'), headOf('/v1/nothing', wish))
    await once(talk.socket, 'close')
    expect(talk.heard.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['200', '200', '404'])
  })

  // Attack: connections that nobody watches over any more, each held for ever, though its peer has gone.
  it('gets the WebSocket that it asks for while what was asked before is being answered', async () => {
    const connections = () => new Promise<number>((resolve) => server.app.server.getConnections((_error, count) => resolve(count)))
    const before = await connections()
    const talk = await pipeline(headOf('/readyz'), headOf('/v1/ws', WEBSOCKET))
    await until(() => talk.heard.includes('101 Switching Protocols'))
    expect(talk.heard).toMatch(/^HTTP\/1\.1 200 /)
    talk.socket.end()
    await until(async () => (await connections()) <= before)
  })

  // Attack: an error on a connection that nobody listens to ends the process.
  it('is forgotten when its connection breaks before it is its turn', async () => {
    const talk = await pipeline(headOf('/readyz'), headOf('/v1/ws', WEBSOCKET))
    talk.socket.resetAndDestroy()
    expect((await ask('GET', '/v1/nothing', H2C)).status).toBe(404)
  })

  // Attack: frames against the protocol, each a line of alarm in the log.
  it('and gets it raises no alarm by what it sends amiss', async () => {
    const socket = await openSocket(address, '/v1/ws?from=here')
    socket.send('x'.repeat(20_000))
    expect(await socket.closed).toBe(1009)
    const masked = await openSocket(address)
    ;(masked.raw as unknown as { _socket: NodeJS.WritableStream })._socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    expect(await masked.closed).toBe(1002)
    expect(server.logs.filter((line) => line.includes('"level":"error"'))).toEqual([])
  })
})
