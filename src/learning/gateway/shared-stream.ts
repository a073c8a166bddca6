import type { Redis } from 'ioredis'
import { newId } from '../../platform/ids.ts'
import { KEPT_BYTES, KEPT_EVENTS, type LiveEvent, type MemoryLiveEvents, type NumberedEvent, type Position, type Reader } from './live-events.ts'
import type { Outage } from './outage.ts'
import type { Message, Outgoing, SharedLiveStore } from './shared-live-store.ts'

const BATCH_EVENTS = 64
const BATCH_BYTES = 64 * 1024

/** What the streams of one instance have in common. */
export interface StreamDeps {
  readonly store: SharedLiveStore
  readonly subscriber: Redis
  readonly outage: Outage
  /** The events of this instance alone, while Redis is away. */
  readonly own: MemoryLiveEvents
  readonly budget: WaitingBudget
  /** Called when nothing holds the stream any more. */
  readonly onIdle: (stream: SharedStream) => void
}

/** Numbers what this instance tells, and bounds what waits for Redis, of all children together. */
export class WaitingBudget {
  lastNumber = 0
  bytes = 0
  onEmpty: (() => void) | undefined
  readonly #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  take(event: LiveEvent): Waiting {
    this.lastNumber += 1
    const json = JSON.stringify(event)
    const bytes = Buffer.byteLength(json)
    this.bytes += bytes
    return { number: this.lastNumber, event, json, bytes }
  }

  giveBack(bytes: number): void {
    this.bytes -= bytes
    if (this.bytes === 0) this.onEmpty?.()
  }

  get isExceeded(): boolean {
    return this.bytes > this.#maxBytes
  }
}

interface Waiting extends Outgoing {
  readonly bytes: number
}

/** One who listens on this instance. */
interface Listening {
  readonly id: string
  readonly reader: Reader
  readonly resume: Position | undefined
  /** Undefined until it is ready. */
  position: Position | undefined
  /** What comes in while Redis is asked where the events stand. */
  held: Message[] | undefined
  /** Tells the latest question from those before it. */
  question: number
  /** Set while it listens to the events of this instance alone. */
  leaveOwn: (() => void) | undefined
}

/** Since this instance alone numbers a child's events. */
interface Alone {
  /** Where it left the common numbering; undefined when nobody here stood there. */
  readonly left: Position | undefined
  /** What is told meanwhile waits. */
  isRejoining: boolean
}

/** A call that waits until all who listen here have got an event: by our own number of it, or the place it was given. */
interface Owed {
  readonly number: number
  position: Position | undefined
  readonly resolve: () => void
}

/** The place of events that nobody will be given. */
const NOWHERE: Position = { epoch: '', seq: 0 }

/** A child of whom something is told on this instance, or to whom somebody listens here. */
export class SharedStream {
  readonly childId: string
  readonly #deps: StreamDeps
  readonly #listening = new Set<Listening>()
  /** Settles when Redis sends this instance what is told of the child. */
  #subscribed: Promise<unknown> | undefined
  /** What Redis has not taken yet, in order. */
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #isHandingOver = false
  /** The place that the latest event of this instance was given, by its number: answers and messages overtake one another. */
  #given = { number: 0, position: NOWHERE }
  #alone: Alone | undefined
  #owed: Owed[] = []

  constructor(childId: string, deps: StreamDeps) {
    this.childId = childId
    this.#deps = deps
  }

  get hasListeners(): boolean {
    return this.#listening.size > 0
  }

  publish(event: LiveEvent): void {
    const { own, outage } = this.#deps
    if (outage.isAlone && !this.#alone) this.#standAlone()
    if (this.#alone?.isRejoining === false) own.publish(this.childId, event)
    else this.#enqueue(event)
  }

  join(resume: Position | undefined, reader: Reader): () => void {
    const one: Listening = { id: newId(), reader, resume, position: undefined, held: [], question: 0, leaveOwn: undefined }
    this.#listening.add(one)
    if (this.#alone?.isRejoining === false) this.#listenAlone(one)
    else if (this.#deps.outage.isAlone && !this.#alone) this.#standAlone()
    else void this.#follow(one)
    return () => this.#leave(one)
  }

  /** Resolves when those who listen here have got what was published so far, or cannot get it. */
  delivered(): Promise<void> {
    return new Promise((resolve) => {
      const last = this.#waiting.at(-1)
      this.#owed.push({ number: last?.number ?? 0, position: last ? undefined : this.#given.position, resolve })
      this.#settle()
    })
  }

  /** What Redis sends. */
  receive(message: Message): void {
    if (message.publisher === this.#deps.store.publisher) this.#handedOver(message.number, { epoch: message.epoch, seq: message.seq })
    // Alone the child is numbered apart; what others tell meanwhile comes to light when it rejoins.
    if (!this.#alone) for (const one of [...this.#listening]) this.#hear(one, message)
    this.#settle()
  }

  /** The connection on which Redis sends is a new one. */
  unsubscribed(): void {
    this.#subscribed = undefined
  }

  /** Hands over nothing of what waits. */
  discard(): void {
    this.#handedOver(this.#deps.budget.lastNumber, NOWHERE)
    this.#settle()
  }

  /** Redis is away: nobody waits for it any longer. */
  loseTouch(): void {
    if (this.#alone) return
    for (const one of [...this.#listening]) if (one.position) this.#release(one)
    if (this.#waiting.length > 0 || [...this.#listening].some((one) => !one.position)) this.#standAlone()
    this.#settle()
  }

  /** Redis is back: hands over what was told meanwhile. */
  async resume(): Promise<void> {
    if (this.#alone) await this.#rejoin(this.#alone)
    await this.#handOver()
  }

  /** Asks for each listener, one after the other, whether it stands where it should; that also renews its place. */
  async check(): Promise<void> {
    for (const one of [...this.#listening]) await this.#follow(one)
  }

  #dropIfIdle(): void {
    if (this.#listening.size === 0 && this.#waiting.length === 0 && !this.#isHandingOver && !this.#alone) this.#deps.onIdle(this)
  }

  #leave(one: Listening): void {
    if (!this.#listening.delete(one)) return
    const { store, subscriber } = this.#deps
    one.leaveOwn?.()
    if (this.#listening.size === 0) {
      this.#subscribed = undefined
      subscriber.unsubscribe(store.channelOf(this.childId)).catch(() => {})
    }
    store.leave(this.childId, one.id).catch(() => {})
    this.#settle()
    this.#dropIfIdle()
  }

  #dismiss(one: Listening, how: 'lost' | 'refused'): void {
    this.#leave(one)
    one.reader[how]()
  }

  /** Asks Redis for what a listener has not got, gives it that, and from then on whatever comes in. */
  async #follow(one: Listening): Promise<void> {
    const { store, subscriber, outage } = this.#deps
    one.question += 1
    const { question } = one
    one.held ??= []
    const isVain = () => outage.isTroubled || this.#alone || one.question !== question || !this.#listening.has(one)
    if (isVain()) return
    try {
      this.#subscribed ??= subscriber.subscribe(store.channelOf(this.childId))
      await this.#subscribed
      if (isVain()) return
      const standing = await store.read(this.childId, one.id, one.position ?? one.resume)
      if (isVain()) return
      if (standing === 'full') this.#dismiss(one, 'refused')
      else this.#bringUpTo(one, standing.position, standing.missed)
    } catch (error) {
      this.#subscribed = undefined
      outage.stumble(error)
    }
  }

  #bringUpTo(one: Listening, position: Position, missed: readonly NumberedEvent[] | undefined): void {
    const isNew = !one.position
    if (isNew || missed) {
      one.position = position
      if (isNew) one.reader.ready(position, missed)
      else for (const event of missed ?? []) one.reader.event(event)
      this.#release(one)
      this.#settle()
    } else this.#dismiss(one, 'lost')
  }

  #release(one: Listening): void {
    const held = one.held ?? []
    one.held = undefined
    one.question += 1
    for (const message of held) this.#hear(one, message, true)
  }

  /** `isLate`: the message came before Redis was asked last, so that what lies between is not to be had. */
  #hear(one: Listening, message: Message, isLate = false): void {
    const { position, held } = one
    if (!this.#listening.has(one)) return
    if (held) {
      if (held.push(message) > KEPT_EVENTS) this.#dismiss(one, 'lost')
    } else if (message.epoch !== position?.epoch) this.#dismiss(one, 'lost')
    else if (message.seq === position.seq + 1 && message.event) pass(one, position.epoch, message.event)
    else if (message.seq > position.seq && (isLate || this.#deps.outage.isAlone)) this.#dismiss(one, 'lost')
    else if (message.seq > position.seq) {
      one.held = [message]
      void this.#follow(one)
    }
  }

  /** Lets those calls go whose events all who listen here have got, or cannot get. */
  #settle(): void {
    if (this.#owed.length === 0) return
    const isLost = this.#deps.outage.isAlone || this.#alone
    // Who stands in another numbering has gone past the place, or will be lost.
    const isReached = ({ epoch, seq }: Position) => [...this.#listening].every(({ position }) => position?.epoch !== epoch || position.seq >= seq)
    const due = this.#owed.filter(({ position }) => isLost || (position && isReached(position)))
    this.#owed = this.#owed.filter((each) => !due.includes(each))
    for (const { resolve } of due) resolve()
  }

  #enqueue(event: LiveEvent): void {
    const { budget, outage } = this.#deps
    const next = budget.take(event)
    this.#waiting.push(next)
    this.#waitingBytes += next.bytes
    const isTooMuch = this.#waiting.length > KEPT_EVENTS || (this.#waitingBytes > KEPT_BYTES && this.#waiting.length > 1)
    if (isTooMuch || budget.isExceeded) {
      outage.stumble(new Error('more live events wait than Redis takes'))
      outage.goAlone()
    } else void this.#handOver()
  }

  /** Hands over what waits, one batch after the other so that all stay in order. */
  async #handOver(): Promise<void> {
    if (this.#isHandingOver) return
    const { store, outage } = this.#deps
    this.#isHandingOver = true
    try {
      while (this.#waiting.length > 0 && !outage.isTroubled && !this.#alone) {
        const batch = firstBatch(this.#waiting)
        const position = await store.append(this.childId, batch)
        this.#handedOver(batch.at(-1)?.number ?? 0, position)
        this.#settle()
      }
    } catch (error) {
      outage.stumble(error)
    } finally {
      this.#isHandingOver = false
    }
    this.#dropIfIdle()
  }

  /** Our events up to `number` need not be handed over any more; the last of them was given `position`. */
  #handedOver(number: number, position: Position): void {
    if (number >= this.#given.number) this.#given = { number, position }
    for (const each of this.#owed) if (each.number <= number) each.position ??= position
    const kept = this.#waiting.filter((each) => each.number > number)
    const keptBytes = kept.reduce((sum, each) => sum + each.bytes, 0)
    const freed = this.#waitingBytes - keptBytes
    this.#waiting = kept
    this.#waitingBytes = keptBytes
    this.#deps.budget.giveBack(freed)
  }

  /** From here on this instance numbers the child's events itself, under an epoch that nobody else has. */
  #standAlone(): void {
    let left: Position | undefined
    for (const { position } of this.#listening) if (position && position.seq >= (left?.seq ?? 0)) left = position
    this.#deps.own.begin(this.childId, left?.seq ?? 0)
    this.#alone = { left, isRejoining: false }
    for (const one of [...this.#listening]) {
      const isBehind = one.position && (one.position.epoch !== left?.epoch || one.position.seq !== left.seq)
      if (isBehind) this.#dismiss(one, 'lost')
      else this.#listenAlone(one)
    }
    this.#tellAlone()
  }

  #listenAlone(one: Listening): void {
    const wasReady = one.position !== undefined
    let epoch = ''
    one.held = undefined
    one.question += 1
    one.leaveOwn = this.#deps.own.subscribe(this.childId, wasReady ? undefined : one.resume, {
      ...one.reader,
      ready(position, missed) {
        epoch = position.epoch
        one.position = position
        if (wasReady) one.reader.renumbered(position)
        else one.reader.ready(position, missed)
      },
      event: (event) => pass(one, epoch, event),
    })
  }

  /** Tells here what Redis has not taken. */
  #tellAlone(): void {
    const { own, budget } = this.#deps
    const events = this.#waiting.map(({ event }) => event)
    this.#handedOver(budget.lastNumber, NOWHERE)
    for (const event of events) own.publish(this.childId, event)
    this.#settle()
  }

  /** Makes the numbering that this instance reached alone that of all, unless others went on, too: then one begins anew. */
  async #rejoin(alone: Alone): Promise<void> {
    const { store, own } = this.#deps
    alone.isRejoining = true
    let missedNothing: boolean
    try {
      missedNothing = await store.rejoin(this.childId, alone.left, own.positionOf(this.childId))
    } catch (error) {
      alone.isRejoining = false
      for (const one of this.#listening) if (!one.leaveOwn) this.#listenAlone(one)
      this.#tellAlone()
      throw error
    }
    this.#alone = undefined
    own.drop(this.childId)
    for (const one of [...this.#listening]) {
      one.leaveOwn?.()
      one.leaveOwn = undefined
      if (one.position && !missedNothing) this.#dismiss(one, 'lost')
      else void this.#follow(one)
    }
  }
}

function pass(one: Listening, epoch: string, event: NumberedEvent): void {
  one.position = { epoch, seq: event.seq }
  one.reader.event(event)
}

/** As many as are handed over at once: one at least. */
function firstBatch(waiting: readonly Waiting[]): readonly Waiting[] {
  let bytes = 0
  const end = waiting.findIndex((each, index) => {
    bytes += each.bytes
    return index > 0 && (index >= BATCH_EVENTS || bytes > BATCH_BYTES)
  })
  return waiting.slice(0, end < 0 ? waiting.length : end)
}
