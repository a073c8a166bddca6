import type { Redis } from 'ioredis'
import type { Clock } from '../../platform/clock.ts'
import { type LiveStreams, memoryLiveEvents } from './live-events.ts'
import { watchOutage } from './outage.ts'
import { messageOf, sharedLiveStore } from './shared-live-store.ts'
import { SharedStream, WaitingBudget } from './shared-stream.ts'

export interface SharedLiveOptions {
  /** Listeners of a child, on all instances together. */
  readonly maxReaders: number
  /** How often each listener's place is renewed and its position checked. The places of an instance that died are free after three times as long. */
  readonly checkMs: number
  readonly onError: (error: unknown) => void
}

const WAITING_BYTES_IN_ALL = 32 * 1024 * 1024
/** Children remembered because something was told of them while Redis was away, or because it has yet to forget them. */
const MAX_REMEMBERED = 100_000

/**
 * Live events of every instance on one Redis. A script numbers an event, keeps it and tells it to the instances that listen, as
 * one step, so that all listeners everywhere see one order under one epoch.
 *
 * While Redis is away each instance goes on alone, under an epoch of its own, for its own listeners: those who were there are
 * told that epoch and miss nothing of what is told here. When Redis is back the instance goes on from where it stands;
 * whoever missed something meanwhile, here or elsewhere, is lost, comes back and hears that it must fetch anew.
 */
export function redisLiveEvents(redis: Redis, clock: Clock, options: SharedLiveOptions): LiveStreams {
  const own = memoryLiveEvents(clock)
  const budget = new WaitingBudget(WAITING_BYTES_IN_ALL)
  const store = sharedLiveStore(redis, clock, { maxReaders: options.maxReaders, leaseMs: 3 * options.checkMs })
  // A new connection hears nothing until each listener is asked what it missed on the old one.
  const subscriber = redis.duplicate({ autoResubscribe: false })
  const streams = new Map<string, SharedStream>()
  /** True for those who are erased. */
  const toForget = new Map<string, boolean>()

  const outage = watchOutage({
    async answers() {
      await redis.ping()
      await subscriber.ping()
    },
    onAlone() {
      for (const stream of streams.values()) stream.loseTouch()
    },
    async resume() {
      for (const stream of streams.values()) await stream.resume()
    },
    async catchUp() {
      await forgetAll()
      await checkAll()
    },
    onError: options.onError,
  })

  const streamDeps = { store, subscriber, outage, own, budget, onIdle }
  function onIdle(stream: SharedStream): void {
    if (streams.get(stream.childId) === stream) streams.delete(stream.childId)
  }

  function streamOf(childId: string): SharedStream {
    const known = streams.get(childId)
    if (known) return known
    const stream = new SharedStream(childId, streamDeps)
    streams.set(childId, stream)
    return stream
  }

  async function checkAll(): Promise<void> {
    for (const stream of streams.values()) {
      if (outage.isTroubled) return
      await stream.check()
    }
  }

  async function forgetAll(): Promise<void> {
    for (const [childId, isErased] of toForget) {
      await store.forget(childId, isErased)
      if (toForget.get(childId) === isErased) toForget.delete(childId)
    }
  }

  function forget(childId: string, isErased: boolean): void {
    if (toForget.size < MAX_REMEMBERED) toForget.set(childId, isErased || toForget.get(childId) === true)
    if (!outage.isTroubled) forgetAll().catch(outage.stumble)
  }

  let isChecking = false
  const checking = setInterval(() => {
    if (isChecking || outage.isTroubled) return
    isChecking = true
    subscriber.ping().catch(outage.stumble)
    void checkAll().finally(() => {
      isChecking = false
    })
  }, options.checkMs)
  checking.unref()
  subscriber.on('error', () => {})
  subscriber.on('message', (channel, text) => streams.get(store.childOf(channel))?.receive(messageOf(text)))
  subscriber.on('close', () => {
    for (const stream of streams.values()) stream.unsubscribed()
    outage.stumble(new Error('the connection that hears live events was lost'))
  })
  outage.stumble()

  return {
    publish(childId, event) {
      if (outage.isAlone && streams.size >= MAX_REMEMBERED && !streams.has(childId)) return
      streamOf(childId).publish(event)
    },
    subscribe: (childId, resume, reader) => streamOf(childId).join(resume, reader),
    delivered: (childId) => streams.get(childId)?.delivered() ?? Promise.resolve(),
    forget(childId) {
      own.forget(childId)
      forget(childId, false)
    },
    erase(childId) {
      own.erase(childId)
      streams.get(childId)?.discard()
      forget(childId, true)
    },
    sweep: () => own.sweep(),
    get listeners() {
      return [...streams].filter(([, stream]) => stream.hasListeners).map(([childId]) => childId)
    },
    get connected() {
      return outage.isOver
    },
    async close() {
      if (budget.bytes > 0)
        await new Promise<void>((resolve) => {
          budget.onEmpty = resolve
        })
      clearInterval(checking)
      outage.close()
      subscriber.disconnect()
    },
  }
}
