import { type Clock, type Instant, MINUTE } from '../../platform/clock.ts'
import { newId } from '../../platform/ids.ts'

/** Section 10.2 of the learning contract, before it gets its number. */
export type LiveEvent =
  | { readonly type: 'typing'; readonly conversation_id: string; readonly is_typing: boolean }
  | { readonly type: 'message_chunk'; readonly conversation_id: string; readonly chunk: string; readonly chunk_index: number }
  | { readonly type: 'message_complete'; readonly conversation_id: string; readonly message: object }
  | { readonly type: 'reward_earned'; readonly reward: object }
  | { readonly type: 'time_warning'; readonly minutes_remaining: number; readonly message: string }
  | { readonly type: 'session_end'; readonly reason: string; readonly message: string }

export type NumberedEvent = LiveEvent & { readonly seq: number }

/** Where a reader stands in a child's stream: `epoch` names the numbering, `seq` the last event seen. */
export interface Position {
  readonly epoch: string
  readonly seq: number
}

export interface Subscription {
  readonly position: Position
  /** Events after the position asked for; undefined when they are not all at hand any more. */
  readonly missed: readonly NumberedEvent[] | undefined
  close(): void
}

/** A child's events, numbered without gaps, delivered in order to whoever listens and kept a while for those who come back. */
export interface LiveEvents {
  publish(childId: string, event: LiveEvent): void
  /** Listens from now on; nothing falls between `missed` and the first call of `listener`. */
  subscribe(childId: string, resume: Position | undefined, listener: (event: NumberedEvent) => void): Subscription
  /** Keeps nothing of a child's past events any more; who comes back is told to fetch anew. */
  forget(childId: string): void
  /** Lets go of what is too old to be resumed. */
  sweep(): void
  /** Children with at least one listener. */
  readonly listeners: readonly string[]
}

export const KEPT_EVENTS = 500
export const KEPT_BYTES = 256 * 1024
export const KEPT_MS = 5 * MINUTE
/** Of all children together. */
export const KEPT_BYTES_IN_ALL = 128 * 1024 * 1024
const MAX_CHANNELS = 10_000

interface Channel {
  readonly epoch: string
  seq: number
  readonly kept: { readonly event: NumberedEvent; readonly bytes: number; readonly at: Instant }[]
  bytes: number
  readonly listeners: Set<(event: NumberedEvent) => void>
}

/** Live events of this process. What is kept is bounded in events, bytes and minutes for each child, in bytes for all together, and in children. */
export function memoryLiveEvents(clock: Clock): LiveEvents {
  /** Least recently used first. */
  const channels = new Map<string, Channel>()
  let bytesInAll = 0

  function channelOf(childId: string): Channel {
    const known = channels.get(childId)
    if (known) {
      channels.delete(childId)
      channels.set(childId, known)
      return known
    }
    if (channels.size >= MAX_CHANNELS) dropIdlest()
    const channel: Channel = { epoch: newId(), seq: 0, kept: [], bytes: 0, listeners: new Set() }
    channels.set(childId, channel)
    return channel
  }

  function dropIdlest(): void {
    for (const [childId, channel] of channels) {
      if (channel.listeners.size === 0) {
        clear(channel)
        channels.delete(childId)
        return
      }
    }
  }

  function trim(channel: Channel): void {
    const oldest = clock.now() - KEPT_MS
    let surplus = 0
    let bytes = channel.bytes
    for (const entry of channel.kept) {
      if (channel.kept.length - surplus <= KEPT_EVENTS && bytes <= KEPT_BYTES && entry.at >= oldest) break
      bytes -= entry.bytes
      surplus += 1
    }
    drop(channel, surplus, channel.bytes - bytes)
  }

  function drop(channel: Channel, events: number, bytes: number): void {
    channel.kept.splice(0, events)
    channel.bytes -= bytes
    bytesInAll -= bytes
  }

  const clear = (channel: Channel): void => drop(channel, channel.kept.length, channel.bytes)

  function keepWithinBudget(): void {
    for (const channel of channels.values()) {
      if (bytesInAll <= KEPT_BYTES_IN_ALL) return
      clear(channel)
    }
  }

  return {
    publish(childId, event) {
      const channel = channelOf(childId)
      channel.seq += 1
      const numbered = { ...event, seq: channel.seq }
      const bytes = Buffer.byteLength(JSON.stringify(numbered))
      channel.kept.push({ event: numbered, bytes, at: clock.now() })
      channel.bytes += bytes
      bytesInAll += bytes
      trim(channel)
      keepWithinBudget()
      for (const listener of channel.listeners) listener(numbered)
    },
    subscribe(childId, resume, listener) {
      const channel = channelOf(childId)
      trim(channel)
      channel.listeners.add(listener)
      const firstKept = channel.seq - channel.kept.length + 1
      const recoverable = resume !== undefined && resume.epoch === channel.epoch && resume.seq <= channel.seq && resume.seq + 1 >= firstKept
      return {
        position: { epoch: channel.epoch, seq: channel.seq },
        missed: recoverable ? channel.kept.map((entry) => entry.event).filter((event) => event.seq > resume.seq) : undefined,
        close: () => channel.listeners.delete(listener),
      }
    },
    forget(childId) {
      const channel = channels.get(childId)
      if (channel) clear(channel)
    },
    sweep() {
      for (const [childId, channel] of channels) {
        trim(channel)
        if (channel.listeners.size === 0 && channel.kept.length === 0) channels.delete(childId)
      }
    },
    get listeners() {
      return [...channels].filter(([, channel]) => channel.listeners.size > 0).map(([childId]) => childId)
    },
  }
}
