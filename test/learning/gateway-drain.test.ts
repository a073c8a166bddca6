import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeFamily, startConversation } from '../helpers/family.ts'
import { type GatedTutor, gatedTutor } from '../helpers/gated-tutor.ts'
import { calm } from '../helpers/live.ts'
import { until } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket, openSocket } from '../helpers/socket.ts'

/** Well below the 25 s after which the process gives up draining and exits as failed. */
const IN_TIME = { timeout: 30_000 }

describe('a server that stops', () => {
  /** Owns the database and stays. */
  let staying: TestServer
  let stopping: TestServer
  let tutor: GatedTutor
  let address: string
  let stopped: Promise<void> | undefined
  const leave: (() => void)[] = []
  const stop = () => {
    stopped ??= stopping.close()
    return stopped
  }
  beforeAll(async () => {
    staying = await startTestServer()
  })
  afterAll(() => staying.close())
  beforeEach(async () => {
    stopped = undefined
    tutor = gatedTutor()
    stopping = await startTestServer({ databaseUrl: staying.databaseUrl, dataDir: staying.dataDir, clock: staying.clock, tutor })
    address = await stopping.listen()
    await Promise.all([calm(staying), calm(stopping)])
  })
  afterEach(async () => {
    for (const each of leave.splice(0)) each()
    await stop()
  })

  it('tells everybody to come back with 1012, those not yet authenticated too', IN_TIME, async () => {
    const family = await makeFamily(staying.api)
    const sockets = [await openChildSocket(address, family.token, family.childId), await openSocket(address)]
    await stop()
    expect(await Promise.all(sockets.map((socket) => socket.closed))).toEqual([1012, 1012])
  })

  // A socket whose request waits for the shared counters when the others are told would stay, and keep the process from ending.
  it('tells those, too, who are let in while it stops', IN_TIME, async () => {
    await calm(stopping)
    const { counters } = stopping.deps
    const gate = new EventEmitter()
    const hit = vi.spyOn(counters, 'hit').mockImplementationOnce(async (key, windowMs) => {
      gate.emit('asked')
      await once(gate, 'opened')
      return counters.hit(key, windowMs)
    })
    const [opening] = [openSocket(address), await once(gate, 'asked')]
    const stops = stop()
    await until(() => !stopping.app.server.listening)
    gate.emit('opened')
    expect(await (await opening).closed).toBe(1012)
    await stops
    hit.mockRestore()
  })

  // Refused without a hook, such a connection was ended by nobody, not even when its peer had hung up.
  it.each(['h2c', 'websocket'])('lets go of a connection on which %s is asked for while it stops', IN_TIME, async (upgrade) => {
    const { counters } = stopping.deps
    const gate = new EventEmitter()
    const hit = vi.spyOn(counters, 'hit').mockImplementationOnce(async (key, windowMs) => {
      gate.emit('asked')
      await once(gate, 'opened')
      return counters.hit(key, windowMs)
    })
    const wish = `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n`
    const socket = connect(Number(new URL(address).port), '127.0.0.1')
    leave.push(() => socket.destroy())
    await once(socket, 'connect')
    socket.write(`GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/ws HTTP/1.1\r\nHost: localhost\r\n${wish}\r\n`)
    await once(gate, 'asked')
    const stops = stop()
    await until(() => !stopping.app.server.listening)
    socket.resume().end()
    gate.emit('opened')
    await stops
    hit.mockRestore()
  })

  it('finishes the turn that is running, and another instance has it', IN_TIME, async () => {
    const family = await makeFamily(staying.api)
    const conversation = await startConversation(staying.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    socket.send({ type: 'message', conversation_id: conversation, content: 'Why do stars twinkle?' })
    await socket.waitFor('message_chunk')
    const stopping = stop()
    expect(await socket.closed).toBe(1012)
    tutor.open()
    await stopping
    const history = await staying.api.get(`/v1/conversations/${conversation}/messages`, { token: family.token, child: family.childId })
    expect(history.body.data.at(-1)).toMatchObject({ role: 'assistant', content: 'Let me think. Here it is.' })
  })

  // A tablet that sleeps, or has lost its network, never answers the close frame.
  it('does not wait for a peer that has stopped reading', IN_TIME, async () => {
    const family = await makeFamily(staying.api)
    const asleep = await openChildSocket(address, family.token, family.childId)
    leave.push(() => asleep.raw.terminate())
    asleep.raw.pause()
    await stop()
    expect(stopping.app.server.listening).toBe(false)
  })

  // Browsers open connections ahead of need; Node counts one without a first request as busy.
  it('does not wait for a connection that has asked for nothing', IN_TIME, async () => {
    const ahead = connect(Number(new URL(address).port), '127.0.0.1')
    leave.push(() => ahead.destroy())
    ahead.on('error', () => {})
    await once(ahead, 'connect')
    await stop()
    expect(stopping.app.server.listening).toBe(false)
  })
})
