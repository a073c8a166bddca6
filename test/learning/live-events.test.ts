import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  KEPT_BYTES,
  KEPT_BYTES_IN_ALL,
  KEPT_EVENTS,
  KEPT_MS,
  type LiveEvent,
  type LiveEvents,
  memoryLiveEvents,
  type NumberedEvent,
  type Position,
} from '../../src/learning/gateway/live-events.ts'
import { newId } from '../../src/platform/ids.ts'
import { testClock } from '../helpers/clock.ts'

const CONVERSATION = newId()
const chunkOf = (text: string, index = 0): LiveEvent => ({ type: 'message_chunk', conversation_id: CONVERSATION, chunk: text, chunk_index: index })
const bytesOf = (events: readonly NumberedEvent[]) => events.reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)), 0)

/** Listens to events that begin at once, as those of one process do. */
function listen(live: LiveEvents, childId: string, resume: Position | undefined, onEvent: (event: NumberedEvent) => void) {
  let ready: { position: Position; missed: readonly NumberedEvent[] | undefined } | undefined
  const unexpected = () => {
    throw new Error('one process loses and renumbers nothing')
  }
  const close = live.subscribe(childId, resume, {
    ready(position, missed) {
      ready = { position, missed }
    },
    event: onEvent,
    renumbered: unexpected,
    lost: unexpected,
    refused: unexpected,
  })
  if (!ready) throw new Error('not ready at once')
  return { ...ready, close }
}

/** What a reader who comes back from `position` is given. */
function resume(live: LiveEvents, childId: string, position: Position): readonly NumberedEvent[] | undefined {
  const subscription = listen(live, childId, position, () => {})
  subscription.close()
  return subscription.missed
}

/** The longest tail of the stream that can still be had. */
function kept(live: LiveEvents, childId: string): readonly NumberedEvent[] {
  const { position, close } = listen(live, childId, undefined, () => {})
  close()
  for (let seq = 0; seq <= position.seq; seq += 1) {
    const missed = resume(live, childId, { epoch: position.epoch, seq })
    if (missed) return missed
  }
  throw new Error('not even the present position can be resumed')
}

describe('live events', () => {
  it('are numbered without gaps for each child apart, and heard by its listeners alone', () => {
    const live = memoryLiveEvents(testClock())
    const [emma, noah] = [newId(), newId()]
    const heard: NumberedEvent[][] = [[], [], []]
    const hear = (childId: string, index: number) => listen(live, childId, undefined, (event) => heard[index]?.push(event))
    const first = hear(emma, 0)
    expect(first.position.seq).toBe(0)
    live.publish(emma, chunkOf('one'))
    hear(emma, 1)
    const noahs = hear(noah, 2)
    live.publish(emma, chunkOf('two'))
    live.publish(noah, chunkOf('his'))
    first.close()
    live.publish(emma, chunkOf('three'))
    expect(heard.map((events) => events.map((event) => [event.seq, (event as { chunk?: string }).chunk]))).toEqual([
      [
        [1, 'one'],
        [2, 'two'],
      ],
      [
        [2, 'two'],
        [3, 'three'],
      ],
      [[1, 'his']],
    ])
    expect(noahs.position.epoch).not.toBe(first.position.epoch)
  })

  it('count the children who are listened to, and forget those who left', () => {
    const live = memoryLiveEvents(testClock())
    const subscriptions = [newId(), newId()].flatMap((childId) => [listen(live, childId, undefined, () => {}), listen(live, childId, undefined, () => {})])
    expect(live.listeners.length).toBe(2)
    for (const subscription of subscriptions) subscription.close()
    expect(live.listeners.length).toBe(0)
  })

  it('are given again from any position still at hand, and from no other', () => {
    const live = memoryLiveEvents(testClock())
    const childId = newId()
    for (const text of ['one', 'two', 'three']) live.publish(childId, chunkOf(text))
    const { position } = listen(live, childId, undefined, () => {})
    const from = (seq: number, epoch = position.epoch) => resume(live, childId, { epoch, seq })?.map((event) => event.seq)
    expect([from(0), from(1), from(2), from(3)]).toEqual([[1, 2, 3], [2, 3], [3], []])
    expect(from(4)).toBeUndefined()
    expect(from(1, newId())).toBeUndefined()
    expect(from(0, '')).toBeUndefined()
  })

  it('keep the newest 500 of a child', () => {
    const live = memoryLiveEvents(testClock())
    const childId = newId()
    for (let index = 0; index < KEPT_EVENTS + 100; index += 1) live.publish(childId, chunkOf('x', index))
    expect(kept(live, childId).map((event) => event.seq)).toEqual(Array.from({ length: KEPT_EVENTS }, (_, index) => index + 101))
  })

  it('are kept for five minutes, whether or not something is published meanwhile', () => {
    const clock = testClock()
    const live = memoryLiveEvents(clock)
    const childId = newId()
    live.publish(childId, chunkOf('one'))
    clock.advance(KEPT_MS / 2)
    live.publish(childId, chunkOf('two'))
    clock.advance(KEPT_MS / 2)
    expect(kept(live, childId)).toHaveLength(2)
    clock.advance(1)
    expect(kept(live, childId).map((event) => event.seq)).toEqual([2])
    clock.advance(KEPT_MS)
    expect(kept(live, childId)).toEqual([])
    live.publish(childId, chunkOf('three'))
    expect(kept(live, childId).map((event) => event.seq)).toEqual([3])
  })

  it('of a size that nobody could keep are delivered all the same, and end what can be resumed', () => {
    const live = memoryLiveEvents(testClock())
    const childId = newId()
    const heard: number[] = []
    const { position } = listen(live, childId, undefined, (event) => heard.push(event.seq))
    live.publish(childId, chunkOf('small'))
    live.publish(childId, chunkOf('x'.repeat(KEPT_BYTES)))
    expect(heard).toEqual([1, 2])
    expect(resume(live, childId, position)).toBeUndefined()
    expect(resume(live, childId, { ...position, seq: 2 })).toEqual([])
  })

  it('are let go once too old, and with them the children nobody listens to', () => {
    const clock = testClock()
    const live = memoryLiveEvents(clock)
    const [gone, here] = [newId(), newId()]
    live.publish(gone, chunkOf('old'))
    const before = listen(live, gone, undefined, () => {})
    before.close()
    const listener = listen(live, here, undefined, () => {})
    live.publish(here, chunkOf('old'))
    clock.advance(KEPT_MS + 1)
    live.sweep()
    expect(listen(live, gone, before.position, () => {}).missed).toBeUndefined()
    expect(listen(live, here, { epoch: listener.position.epoch, seq: 1 }, () => {}).missed).toEqual([])
  })

  it('are forgotten on request, while the numbering goes on for those who listen', () => {
    const live = memoryLiveEvents(testClock())
    const child = newId()
    const heard: number[] = []
    const { position } = listen(live, child, undefined, (event) => heard.push(event.seq))
    live.publish(child, chunkOf('one'))
    live.forget(child)
    live.publish(child, chunkOf('two'))
    expect(heard).toEqual([1, 2])
    expect(resume(live, child, position)).toBeUndefined()
    expect(resume(live, child, { ...position, seq: 1 })?.map((event) => event.seq)).toEqual([2])
  })

  it('of a child that is erased are gone, and those that a turn still under way tells are neither heard nor kept', () => {
    const clock = testClock()
    const live = memoryLiveEvents(clock)
    const [child, sibling] = [newId(), newId()]
    const heard: number[] = []
    const { position } = listen(live, child, undefined, (event) => heard.push(event.seq))
    live.publish(child, chunkOf('one'))
    live.erase(child)
    live.publish(child, chunkOf('two'))
    live.publish(sibling, chunkOf('other'))
    expect(heard).toEqual([1])
    expect(resume(live, child, position)).toBeUndefined()
    expect(kept(live, child)).toEqual([])
    expect(kept(live, sibling)).toHaveLength(1)
    clock.advance(KEPT_MS + 1)
    live.sweep()
    live.publish(child, chunkOf('three'))
    expect(heard).toEqual([1, 2])
  })

  it('of all children together never take more than their share of memory', () => {
    const live = memoryLiveEvents(testClock())
    const children = Array.from({ length: 600 }, () => newId())
    for (const child of children) live.publish(child, chunkOf('x'.repeat(KEPT_BYTES - 1_000)))
    const sizes = children.map((child) => kept(live, child)).map(bytesOf)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(KEPT_BYTES_IN_ALL)
    expect(sizes.at(-1)).toBeGreaterThan(0)
    expect(sizes[0]).toBe(0)
  })

  it('of a child nobody asked for longest are dropped first when there are too many children, never those of a listener', () => {
    const live = memoryLiveEvents(testClock())
    const [listened, idle, recent] = [newId(), newId(), newId()]
    const positions = new Map([listened, idle, recent].map((childId) => [childId, listen(live, childId, undefined, () => {})]))
    for (const childId of [listened, idle, recent]) live.publish(childId, chunkOf('one'))
    positions.get(idle)?.close()
    positions.get(recent)?.close()
    for (let child = 0; child < 19_997; child += 1) live.publish(`child-${child}`, chunkOf('x'))
    live.publish(recent, chunkOf('two'))
    live.publish('one child too many', chunkOf('x'))
    const missedBy = (childId: string) => resume(live, childId, positions.get(childId)?.position as Position)?.map((event) => event.seq)
    expect([missedBy(listened), missedBy(recent), missedBy(idle)]).toEqual([[1], [1, 2], undefined])
  })

  it('never keep more than the events, bytes and minutes allowed, and no less', () => {
    const step = fc.record({
      length: fc.oneof(fc.nat(40), fc.integer({ min: 10_000, max: 90_000 })),
      waitMs: fc.oneof(fc.constant(0), fc.nat(KEPT_MS / 2)),
      times: fc.integer({ min: 1, max: 120 }),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.constantFrom('x', 'ü', '"'), (steps, letter) => {
        const clock = testClock()
        const live = memoryLiveEvents(clock)
        const all: { event: NumberedEvent; at: number }[] = []
        listen(live, 'emma', undefined, (event) => all.push({ event, at: clock.now() }))
        for (const { length, waitMs, times } of steps) {
          clock.advance(waitMs)
          for (let index = 0; index < (length > 1_000 ? Math.min(times, 6) : times); index += 1) live.publish('emma', chunkOf(letter.repeat(length), index))
        }
        const tail = kept(live, 'emma')
        expect(tail).toEqual(all.slice(all.length - tail.length).map(({ event }) => event))
        expect(tail.length).toBeLessThanOrEqual(KEPT_EVENTS)
        expect(bytesOf(tail)).toBeLessThanOrEqual(KEPT_BYTES)
        for (const { at } of all.slice(all.length - tail.length)) expect(clock.now() - at).toBeLessThanOrEqual(KEPT_MS)
        const next = all[all.length - tail.length - 1]
        if (!next || clock.now() - next.at > KEPT_MS) return
        expect(tail.length + 1 > KEPT_EVENTS || bytesOf([next.event, ...tail]) > KEPT_BYTES).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('give every reader the same sequence however often it comes and goes, or tell it that there is a gap', () => {
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('publish' as const),
          length: fc.oneof(fc.nat(30), fc.constant(60_000)),
          times: fc.integer({ min: 1, max: 60 }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('leave' as const) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(KEPT_MS * 2) }) },
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const clock = testClock()
        const live = memoryLiveEvents(clock)
        const published: NumberedEvent[] = []
        listen(live, 'emma', undefined, (event) => published.push(event))
        let seen: NumberedEvent[] = []
        let reader = listen(live, 'emma', undefined, (event) => seen.push(event))
        const { epoch } = reader.position
        let [since, present, leftAt] = [0, true, 0]
        const comeBack = () => {
          if (present) return
          const position = { epoch, seq: since + seen.length }
          reader = listen(live, 'emma', position, (event) => seen.push(event))
          present = true
          if (reader.missed) seen.push(...reader.missed)
          else {
            const gap = published.slice(position.seq)
            expect(gap.length > KEPT_EVENTS || bytesOf(gap) > KEPT_BYTES || clock.now() - leftAt > KEPT_MS).toBe(true)
            since = reader.position.seq
            seen = []
          }
        }
        for (const each of actions) {
          if (each.do === 'publish')
            for (let index = 0; index < each.times && (each.length < 1_000 || index < 3); index += 1)
              live.publish('emma', chunkOf('x'.repeat(each.length), index))
          else if (each.do === 'wait') clock.advance(each.ms)
          else if (each.do === 'return') comeBack()
          else {
            if (present) leftAt = clock.now()
            reader.close()
            present = false
          }
        }
        comeBack()
        expect(seen).toEqual(published.slice(since))
        expect(published.map((event) => event.seq)).toEqual(published.map((_, index) => index + 1))
      }),
      { numRuns: 150 },
    )
  })
})
