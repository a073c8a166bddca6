import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { KEPT_MS } from '../../src/learning/gateway/live-events.ts'
import { newId } from '../../src/platform/ids.ts'
import { createChild, type Family, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { type GatedTutor, gatedTutor } from '../helpers/gated-tutor.ts'
import { calm, comeBack, eventsOf, isTurnEnd, stateOf, turnEvents } from '../helpers/live.ts'
import { until } from '../helpers/pressure.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../helpers/server.ts'
import { type Frame, openChildSocket, openSocket, type SocketClient } from '../helpers/socket.ts'
import { openTcpProxy, type TcpProxy, throughPort } from '../helpers/tcp-proxy.ts'

const redisUrl = inject('redisUrl')
const seqs = (events: readonly Frame[]) => events.map((event) => event.seq)
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index)
const HOLDS_WORDS = /:\d+$/

/** An instance of the app, on a wire of its own to Redis. */
interface Instance {
  readonly server: TestServer
  readonly address: string
  readonly wire: TcpProxy
  close(): Promise<void>
}

async function startInstance(options: TestServerOptions = {}): Promise<Instance> {
  const wire = await openTcpProxy(Number(new URL(redisUrl).port))
  const server = await startTestServer({ ...options, env: { REDIS_URL: throughPort(redisUrl, wire.port) } })
  const address = await server.listen()
  await calm(server)
  await until(() => server.deps.live.connected)
  return {
    server,
    address,
    wire,
    async close() {
      await server.close()
      await wire.close()
    },
  }
}

/** Two instances on one database and one Redis. */
async function startPair(options: TestServerOptions = {}): Promise<[Instance, Instance]> {
  const first = await startInstance(options)
  const { databaseUrl, dataDir, clock } = first.server
  return [first, await startInstance({ ...options, databaseUrl, dataDir, clock })]
}

const readyz = async ({ server }: Instance) => (await server.api.get('/readyz')).body

describe.skipIf(!redisUrl)('live events on two instances', () => {
  let a: Instance
  let b: Instance
  let redis: Redis
  beforeAll(async () => {
    redis = new Redis(redisUrl)
    ;[a, b] = await startPair({ gateway: { watchMs: 20, maxSocketsPerChild: 3 } })
  })
  afterAll(async () => {
    redis.disconnect()
    await b.close()
    await a.close()
  })
  const listen = (instance: Instance, family: Family) => openChildSocket(instance.address, family.token, family.childId)

  it('of turns taken on either are seen live on both, in one order without gaps', async () => {
    const family = await makeFamily(a.server.api)
    const conversations = [await startConversation(a.server.api, family), await startConversation(a.server.api, family, TOPIC.animals)]
    const sockets = [await listen(a, family), await listen(b, family)]
    const first = await takeTurn(a.server.api, family, conversations[0] as string)
    for (const socket of sockets) {
      const events = await turnEvents(socket)
      expect(seqs(events)).toEqual(upTo(events.length))
      expect(events.find((event) => event.type === 'message_complete')?.message).toEqual(first.body.data.assistant_message)
    }
    await Promise.all([a, b].map(({ server }, index) => takeTurn(server.api, family, conversations[index] as string)))
    for (const socket of sockets) await until(() => eventsOf(socket.frames).filter(isTurnEnd).length === 3)
    const [here, there] = sockets.map((socket) => eventsOf(socket.frames))
    expect(here).toEqual(there)
    expect(seqs(here ?? [])).toEqual(upTo(here?.length ?? 0))
    expect(new Set(await Promise.all(sockets.map(async (socket) => (await socket.waitFor('ready')).epoch))).size).toBe(1)
  })

  it('reach nobody but the child on the other instance', async () => {
    const [family, stranger] = [await makeFamily(a.server.api), await makeFamily(a.server.api)]
    const sibling = { ...family, childId: await createChild(a.server.api, family.token, { name: 'Noah' }) }
    const conversation = await startConversation(a.server.api, family)
    const own = await listen(b, family)
    const others = [await listen(b, sibling), await listen(b, stranger)]
    await takeTurn(a.server.api, family, conversation)
    await turnEvents(own)
    for (const socket of others) {
      expect(await stateOf(socket)).toBe('open')
      expect(eventsOf(socket.frames)).toEqual([])
    }
  })

  it('of a turn by socket all come before its answer', async () => {
    const family = await makeFamily(a.server.api)
    const conversation = await startConversation(a.server.api, family)
    const socket = await listen(a, family)
    for (let turn = 1; turn <= 5; turn += 1) {
      socket.send({ type: 'message', conversation_id: conversation, choice_index: 0, idempotency_key: `turn-${turn}` })
      await socket.waitFor((frame) => frame.type === 'message_result' && frame.idempotency_key === `turn-${turn}`)
      expect(socket.frames.at(-1)?.type).toBe('message_result')
      expect(eventsOf(socket.frames).filter(isTurnEnd)).toHaveLength(turn)
    }
  })

  // Redis short of memory lets go of what it likes: here the numbering, while one device still stands in it.
  it('that Redis has let go of keep no answer back', async () => {
    const family = await makeFamily(a.server.api)
    const conversation = await startConversation(a.server.api, family)
    const turn = { type: 'message', conversation_id: conversation, choice_index: 0, idempotency_key: newId() }
    const [before, witness] = [await listen(a, family), await listen(b, family)]
    before.send(turn)
    const answer = await before.waitFor('message_result')
    await turnEvents(witness)
    await redis.del(`brainspark:live:{${family.childId}}`, `brainspark:live:{${family.childId}}/family`)
    const after = await listen(a, family)
    after.send(turn)
    expect(await after.waitFor('message_result')).toEqual({ ...answer, replayed: true, meta: expect.anything() })
    after.send({ ...turn, idempotency_key: newId() })
    await after.waitFor(({ type, replayed }) => type === 'message_result' && !replayed)
    const events = await turnEvents(after)
    expect(seqs(events)).toEqual(upTo(events.length))
    for (const socket of [before, witness]) expect(await socket.closed).toBe(1012)
    const { frames } = await comeBack(b.address, family, { epoch: (await before.waitFor('ready')).epoch, seq: eventsOf(before.frames).length })
    expect(frames.at(-1)).toEqual({ type: 'resumed', recovered: false })
  })

  it('are not made up on the other instance: an unknown epoch, a position in the future or too old says recovered: false', async () => {
    const family = await makeFamily(a.server.api)
    const conversation = await startConversation(a.server.api, family)
    const witness = await listen(a, family)
    const { epoch } = await witness.waitFor('ready')
    await takeTurn(a.server.api, family, conversation)
    const { length } = await turnEvents(witness)
    const outcome = async (position: { epoch: string; seq: number }) => {
      const { socket, frames } = await comeBack(b.address, family, position)
      socket.close()
      await socket.closed
      return frames
    }
    const lost = [
      { type: 'ready', epoch, seq: length },
      { type: 'resumed', recovered: false },
    ]
    expect(await outcome({ epoch, seq: 0 })).toEqual([lost[0], ...eventsOf(witness.frames), { type: 'resumed', recovered: true }])
    expect(await outcome({ epoch: newId(), seq: 1 })).toEqual(lost)
    expect(await outcome({ epoch, seq: length + 1 })).toEqual(lost)
    a.server.clock.advance(KEPT_MS + 1)
    expect(await outcome({ epoch, seq: 0 })).toEqual(lost)
    expect(await outcome({ epoch, seq: length })).toEqual([lost[0], { type: 'resumed', recovered: true }])
  })

  // Attack: as many sockets on every instance as one alone allows.
  it('have one count of the sockets of a child', async () => {
    const family = await makeFamily(a.server.api)
    const sockets = [await listen(a, family), await listen(b, family), await listen(b, family)]
    for (const { address } of [a, b]) {
      const surplus = await openSocket(address)
      surplus.send({ type: 'auth', token: family.token, child_id: family.childId })
      expect(await surplus.closed).toBe(4429)
      expect(surplus.frames).toEqual([])
    }
    sockets[0]?.close()
    await sockets[0]?.closed
    await until(async () => (await redis.zcard(`brainspark:live:{${family.childId}}:readers`)) === 2)
    await listen(b, family)
  })

  it('warn of the end of the time once, though both instances look after it', async () => {
    a.server.clock.set('2026-11-22T17:00:00Z')
    const family = await makeFamily(a.server.api, { settings: { daily_time_limit_minutes: 7 } })
    const sockets = [await listen(a, family), await listen(b, family)]
    const conversation = await startConversation(a.server.api, family)
    const learn = async ({ server }: Instance, minutes: number) => {
      server.clock.advance(minutes * 60_000)
      return takeTurn(server.api, family, conversation)
    }
    const all = (fits: (frame: Frame) => boolean) => Promise.all(sockets.map((socket) => socket.waitFor(fits)))
    await learn(a, 2)
    await all((frame) => frame.minutes_remaining === 5)
    const late = await listen(b, family)
    await learn(b, 2)
    await learn(a, 2)
    await all((frame) => frame.minutes_remaining === 1)
    expect((await learn(b, 1)).status).toBe(403)
    await all((frame) => frame.type === 'session_end')
    const control = (what: string, body?: object) =>
      b.server.api.post(`/v1/dashboard/children/${family.childId}/${what}`, { token: family.token, ...(body && { body }) })
    expect((await control('grant', { minutes: 30 })).status).toBe(200)
    expect((await learn(a, 1)).status).toBe(201)
    expect((await control('pause')).status).toBe(200)
    await all((frame) => frame.reason === 'paused')
    const told = (socket: SocketClient) =>
      socket.frames.filter(({ type }) => type === 'time_warning' || type === 'session_end').map((frame) => frame.minutes_remaining ?? frame.reason)
    for (const socket of sockets) expect(told(socket)).toEqual([5, 1, 'time_limit', 'paused'])
    expect(told(late)).toEqual([1, 'time_limit', 'paused'])
  })

  it('keep nothing said before a topic was restricted, on either instance', async () => {
    const family = await makeFamily(a.server.api)
    const conversation = await startConversation(a.server.api, family)
    const socket = await listen(b, family)
    const { epoch } = await socket.waitFor('ready')
    await takeTurn(a.server.api, family, conversation)
    const { length } = await turnEvents(socket)
    const body = { settings: { restricted_topics: [TOPIC.space] } }
    expect((await b.server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body })).status).toBe(200)
    await until(async () => !(await redis.keys(`*${family.childId}*`)).some((key) => HOLDS_WORDS.test(key)))
    for (const instance of [a, b]) {
      const { socket: late, frames } = await comeBack(instance.address, family, { epoch, seq: 0 })
      expect(frames).toEqual([
        { type: 'ready', epoch, seq: length },
        { type: 'resumed', recovered: false },
      ])
      late.close()
      await late.closed
    }
    expect(await stateOf(socket)).toBe('open')
  })

  it('of a child that is erased leave nothing in Redis that it said or was told', async () => {
    const family = await makeFamily(a.server.api)
    const conversation = await startConversation(a.server.api, family)
    const sockets = [await listen(a, family), await listen(b, family)]
    await takeTurn(b.server.api, family, conversation, 'Why do stars twinkle?')
    for (const socket of sockets) await turnEvents(socket)
    const keys = () => redis.keys(`*${family.childId}*`)
    expect((await keys()).some((key) => HOLDS_WORDS.test(key))).toBe(true)
    expect((await a.server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
    for (const socket of sockets) expect(await socket.closed).toBe(4403)
    await until(async () => (await keys()).filter((key) => key.endsWith(':erased')).length === 2)
    expect((await keys()).filter((key) => HOLDS_WORDS.test(key))).toEqual([])
  })
})

describe.skipIf(!redisUrl)('a reply that streams', () => {
  const open: Instance[] = []
  let tutor: GatedTutor
  afterEach(async () => {
    tutor.open()
    for (const instance of open.splice(0).reverse()) await instance.close()
  })
  /** A family whose child listens on both instances and has asked something on the first; the tutor has said its first words. */
  async function midway() {
    tutor = gatedTutor('Let me think. ', 'Here it is.')
    const [a, b] = await startPair({ tutor })
    open.push(a, b)
    const family = await makeFamily(a.server.api)
    const conversation = await startConversation(a.server.api, family)
    const here = await openChildSocket(a.address, family.token, family.childId)
    const there = await openChildSocket(b.address, family.token, family.childId)
    const { epoch } = await there.waitFor('ready')
    here.send({ type: 'message', conversation_id: conversation, content: 'Why do stars twinkle?' })
    for (const socket of [here, there]) await socket.waitFor('message_chunk')
    const history = async ({ server }: Instance) =>
      (await server.api.get(`/v1/conversations/${conversation}/messages`, { token: family.token, child: family.childId })).body.data
    return { a, b, family, conversation, here, there, epoch, history }
  }

  it('survives a dropped connection: on another instance come exactly the events that were missed, then the rest', async () => {
    const { a, b, family, here, there, epoch, history } = await midway()
    there.raw.terminate()
    await there.closed
    const before = eventsOf(there.frames)
    expect(seqs(before)).toEqual([1, 2])
    for (const seq of [1, 2]) {
      const { socket, frames } = await comeBack(a.address, family, { epoch, seq })
      expect(frames).toEqual([{ type: 'ready', epoch, seq: 2 }, ...before.slice(seq), { type: 'resumed', recovered: true }])
      socket.close()
      await socket.closed
    }
    const { socket } = await comeBack(a.address, family, { epoch, seq: 2 })
    tutor.open()
    await turnEvents(socket)
    await here.waitFor('message_result')
    const all = [...before, ...eventsOf(socket.frames)]
    expect(seqs(all)).toEqual(upTo(5))
    expect(all).toEqual(eventsOf(here.frames))
    expect((await comeBack(b.address, family, { epoch, seq: 2 })).frames.slice(1, -1)).toEqual(all.slice(2))
    expect(all.find((event) => event.type === 'message_complete')?.message).toEqual((await history(b)).at(-1))
  })

  it('goes on here when Redis is lost in the middle; who missed it elsewhere is sent back when Redis is there again, and fetches it', async () => {
    const { a, b, family, conversation, here, there, epoch, history } = await midway()
    for (const { wire } of [a, b]) await wire.cut()
    tutor.open()
    await here.waitFor('message_result')
    const reply = eventsOf(here.frames)
    expect(seqs(reply)).toEqual(upTo(5))
    expect(reply.map((event) => event.chunk).filter(Boolean)).toEqual(['Let me think. ', 'Here it is.'])
    const ready = here.frames.filter((frame) => frame.type === 'ready')
    expect(ready.map((frame) => [frame.epoch === epoch, frame.seq])).toEqual([
      [true, 0],
      [false, 2],
    ])
    expect(await readyz(a)).toEqual({ status: 'degraded', checks: { postgres: 'ok', revocations: 'ok', redis: 'failed', live_events: 'failed' } })
    expect(eventsOf(there.frames)).toHaveLength(2)

    for (const { wire } of [a, b]) await wire.mend()
    expect(await there.closed).toBe(1012)
    const { socket, frames } = await comeBack(b.address, family, { epoch, seq: 2 })
    expect(frames.at(-1)).toEqual({ type: 'resumed', recovered: false })
    expect((await history(b)).at(-1)).toMatchObject({ role: 'assistant', content: 'Let me think. Here it is.' })
    await until(async () => (await readyz(a)).status === 'ready' && (await readyz(b)).status === 'ready')

    await takeTurn(b.server.api, family, conversation, 1)
    const next = (await turnEvents(socket, 5)).map((event) => event.seq)
    expect(next).toEqual(upTo(10, 6))
    expect((await turnEvents(here, 5)).map((event) => event.seq)).toEqual(next)
    expect(await stateOf(here)).toBe('open')
  })

  it('is seen to its end elsewhere though its instance stops', async () => {
    const { a, b, family, here, there, epoch } = await midway()
    const stopping = a.close()
    open.splice(open.indexOf(a), 1)
    expect(await here.closed).toBe(1012)
    const back = await comeBack(b.address, family, { epoch, seq: eventsOf(here.frames).length })
    tutor.open()
    for (const socket of [there, back.socket]) await turnEvents(socket)
    expect(seqs(eventsOf(there.frames))).toEqual(upTo(5))
    expect(seqs(eventsOf(back.socket.frames))).toEqual(upTo(5, 3))
    await stopping
  })
})
