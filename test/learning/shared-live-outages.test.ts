import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { LiveEvent, NumberedEvent, Position } from '../../src/learning/gateway/live-events.ts'
import { newId } from '../../src/platform/ids.ts'
import { type Listener, listen } from '../helpers/live.ts'
import { type LiveInstance, startLive } from '../helpers/live-instance.ts'
import { until } from '../helpers/pressure.ts'

const redisUrl = inject('redisUrl')
const CONVERSATION = newId()
const chunkOf = (text: string): LiveEvent => ({ type: 'message_chunk', conversation_id: CONVERSATION, chunk: text, chunk_index: 0 })
const textOf = (event: NumberedEvent) => (event as { chunk: string }).chunk

const INSTANCES = 3
const instance = fc.nat(INSTANCES - 1)
const calm = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('tell' as const), instance, times: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('come' as const), instance, returns: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), which: fc.nat(20) }) },
)
const stormy = fc.oneof(
  { weight: 8, arbitrary: calm },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), instance, untilAlone: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mend' as const), instance }) },
)
type Action = typeof stormy extends fc.Arbitrary<infer T> ? T : never

/** One client: what it has seen since it last had to fetch everything, over however many connections. */
interface Client {
  readonly instance: number
  listener: Listener
  /** Texts told by anybody before this were perhaps not for it. */
  readonly since: number
  readonly before: readonly NumberedEvent[]
  here: boolean
}

describe.skipIf(!redisUrl)('live events of three instances', () => {
  const instances: LiveInstance[] = []
  beforeAll(async () => {
    for (let each = 0; each < INSTANCES; each += 1) instances.push(await startLive(redisUrl))
  })
  afterAll(async () => {
    for (const each of instances) await each.close()
  })

  /** Carries out the actions for one child, then looks at what every client got. */
  async function play(actions: readonly Action[]): Promise<void> {
    const childId = newId()
    const told: { by: number; text: string }[] = []
    const clients: Client[] = []
    const isCut = instances.map(() => false)
    const at = (index: number) => instances[index] as LiveInstance
    const tell = (by: number) => {
      const text = `${by}:${told.length}`
      told.push({ by, text })
      at(by).live.publish(childId, chunkOf(text))
      return text
    }
    const seenBy = (client: Client, missed: readonly NumberedEvent[] = []) => [...client.before, ...missed, ...client.listener.events]
    const outcomes = new Map<Client, { missed: readonly NumberedEvent[] | undefined; position: Position } | 'lost'>()

    async function come(index: number, from?: Client): Promise<void> {
      const since = told.length
      const last = from && seenBy(from, missedOf(from)).at(-1)
      const known = from && outcomes.get(from)
      const epoch = from?.listener.epochs.at(-1)
      const seq = last?.seq ?? (known && known !== 'lost' ? known.position.seq : 0)
      const listener = listen(at(index).live, childId, from && epoch !== undefined ? { epoch, seq } : undefined)
      const outcome = await Promise.race([listener.ready, listener.ended])
      if (outcome === 'refused') throw new Error('refused')
      const isRecovered = from && outcome !== 'lost' && outcome.missed
      const client: Client = {
        instance: index,
        listener,
        since: isRecovered ? from.since : since,
        before: isRecovered ? seenBy(from, missedOf(from)) : [],
        here: outcome !== 'lost',
      }
      outcomes.set(client, outcome)
      clients.push(client)
      void listener.ended.then(() => {
        client.here = false
      })
    }
    const missedOf = (client: Client) => {
      const outcome = outcomes.get(client)
      return (outcome !== 'lost' && outcome?.missed) || []
    }
    const mend = async (index: number) => {
      if (isCut[index]) await at(index).wire.mend()
      isCut[index] = false
    }

    for (const action of actions) {
      const here = clients.filter((client) => client.here)
      if (action.do === 'tell') for (let index = 0; index < action.times; index += 1) tell(action.instance)
      else if (action.do === 'come') await come(action.instance, action.returns ? clients.findLast((client) => !client.here) : undefined)
      else if (action.do === 'leave') {
        const client = here[action.which % Math.max(here.length, 1)]
        if (client) client.here = false
        client?.listener.leave()
      } else if (action.do === 'wait') {
        const client = here[action.which % Math.max(here.length, 1)]
        if (!client) continue
        const text = tell(client.instance)
        await until(() => !client.here || client.listener.events.some((event) => textOf(event) === text))
      } else if (action.do === 'cut') {
        if (!isCut[action.instance]) await at(action.instance).wire.cut()
        isCut[action.instance] = true
        if (action.untilAlone) await come(action.instance)
      } else if (action.do === 'mend') await mend(action.instance)
    }
    for (let index = 0; index < INSTANCES; index += 1) await mend(index)
    await until(() => instances.every(({ live }) => live.connected))
    for (let by = 0; by < INSTANCES; by += 1) tell(by)
    for (const client of clients) {
      for (const { text } of told.slice(-INSTANCES))
        await until(
          () => !client.here || client.listener.events.some((event) => textOf(event) === text) || missedOf(client).some((event) => textOf(event) === text),
        )
    }

    const numbered = new Map<string, string>()
    for (const client of clients) {
      const missed = missedOf(client)
      const seen = seenBy(client, missed)
      const seqs = seen.map((event) => event.seq)
      expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index))
      const texts = seen.map(textOf)
      expect(new Set(texts).size).toBe(texts.length)
      for (let by = 0; by < INSTANCES; by += 1) {
        const own = texts.filter((text) => text.startsWith(`${by}:`)).map((text) => Number(text.slice(2)))
        expect(own).toEqual([...own].sort((x, y) => x - y))
      }
      if (client.listener.epochs.length === 1)
        for (const event of client.listener.events) {
          const place = `${client.listener.epochs[0]} ${event.seq}`
          expect(numbered.get(place) ?? textOf(event)).toBe(textOf(event))
          numbered.set(place, textOf(event))
        }
      // Never a silent gap: who was not sent back has everything that anybody told since it came.
      if (client.here) expect(texts).toEqual(expect.arrayContaining(told.slice(client.since).map(({ text }) => text)))
    }
    for (const client of clients) client.listener.leave()
  }

  it('give every listener the same events in one order, all that were told while it listened, however many tell and come and go', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(calm, { maxLength: 40 }), (actions) => play(actions)),
      { numRuns: 25, interruptAfterTimeLimit: 20_000 },
    )
  })

  it('leave nobody with a silent gap, whichever instances lose Redis, and when', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stormy, { minLength: 5, maxLength: 40 }), (actions) => play(actions)),
      { numRuns: 8, interruptAfterTimeLimit: 60_000 },
    )
  })
})
