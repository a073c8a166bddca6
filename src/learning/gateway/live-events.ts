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

/** Who listens to a child. Nothing is called once it has left, was lost or refused. */
export interface Reader {
  /** Whether it is a grown-up of the family, and hears nothing that is withheld from it. */
  readonly isFamily?: boolean
  /** Called once, before all else. `missed` is what came after the position asked for; undefined when that is not all at hand any more. */
  ready(position: Position, missed: readonly NumberedEvent[] | undefined): void
  event(event: NumberedEvent): void
  /** Nothing was missed, but from here on another epoch is the one to come back with. */
  renumbered(position: Position): void
  /** Something may have been missed: it must come back, ask from where it stands, and be told. */
  lost(): void
  /** As many listen to the child, on all instances together, as may. */
  refused(): void
}

/** Who hears of an event. */
export type HeardBy = 'everyone' | 'child' | 'family'

/** A child's events, numbered without gaps, delivered in order to whoever listens and kept a while for those who come back. */
export interface LiveEvents extends LiveStreams {
  /** Everyone hears of it where nobody is named. */
  publish(childId: string, event: LiveEvent, heardBy?: HeardBy): void
}

/** Events with one numbering for all who listen. */
export interface LiveStreams {
  /** Never waits, never throws. */
  publish(childId: string, event: LiveEvent): void
  /** Listens from now on, until the function returned is called; nothing falls between what was missed and the first event. */
  subscribe(childId: string, resume: Position | undefined, reader: Reader): () => void
  /** Resolves when the listeners of this instance have got what was published here, or cannot get it. */
  delivered(childId: string): Promise<void>
  /** Keeps nothing of a child's past events any more; who comes back is told to fetch anew. */
  forget(childId: string): void
  /** Forgets a child that is erased; what a turn still under way says of it is neither told nor kept. */
  erase(childId: string): void
  /** Lets go of what is too old to be resumed. */
  sweep(): void
  /** Children with at least one listener. */
  readonly listeners: readonly string[]
  /** False while events reach only the listeners of this instance, though there may be others. */
  readonly connected: boolean
  /** Resolves when what was published has left this instance, or cannot. */
  close(): Promise<void>
}

/** Live events of one process. */
export interface MemoryLiveEvents extends LiveStreams {
  /** Begins a numbering of its own that goes on after `seq`, in place of what there was. */
  begin(childId: string, seq: number): void
  /** Where the numbering of a child stands; undefined when there is none (any more). */
  positionOf(childId: string): Position | undefined
  drop(childId: string): void
}

export const KEPT_EVENTS = 500
export const KEPT_BYTES = 256 * 1024
export const KEPT_MS = 5 * MINUTE
/** Of all children together. */
export const KEPT_BYTES_IN_ALL = 128 * 1024 * 1024
/** Two for each child. */
const MAX_CHANNELS = 20_000

interface Channel {
  readonly epoch: string
  seq: number
  readonly kept: { readonly event: NumberedEvent; readonly bytes: number; readonly at: Instant }[]
  bytes: number
  readonly readers: Set<Reader>
}

/** Live events of this process. What is kept is bounded in events, bytes and minutes for each child, in bytes for all together, and in children. */
export function memoryLiveEvents(clock: Clock): MemoryLiveEvents {
  /** Least recently used first. */
  const channels = new Map<string, Channel>()
  const erased = new Map<string, Instant>()
  let bytesInAll = 0

  function channelOf(childId: string): Channel {
    const known = channels.get(childId)
    if (known) {
      channels.delete(childId)
      channels.set(childId, known)
      return known
    }
    if (channels.size >= MAX_CHANNELS) dropIdlest()
    return open(childId, 0)
  }

  function open(childId: string, seq: number): Channel {
    const channel: Channel = { epoch: newId(), seq, kept: [], bytes: 0, readers: new Set() }
    channels.set(childId, channel)
    return channel
  }

  function dropIdlest(): void {
    for (const [childId, channel] of channels) {
      if (channel.readers.size === 0) {
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
    if (surplus > 0) shorten(channel, surplus, channel.bytes - bytes)
  }

  function shorten(channel: Channel, events: number, bytes: number): void {
    channel.kept.splice(0, events)
    channel.bytes -= bytes
    bytesInAll -= bytes
  }

  const clear = (channel: Channel): void => shorten(channel, channel.kept.length, channel.bytes)

  function keepWithinBudget(): void {
    for (const channel of channels.values()) {
      if (bytesInAll <= KEPT_BYTES_IN_ALL) return
      clear(channel)
    }
  }

  function forget(childId: string): void {
    const channel = channels.get(childId)
    if (channel) clear(channel)
  }

  function drop(childId: string): void {
    forget(childId)
    channels.delete(childId)
  }

  return {
    publish(childId, event) {
      if (erased.has(childId)) return
      const channel = channelOf(childId)
      channel.seq += 1
      const numbered = { ...event, seq: channel.seq }
      const bytes = Buffer.byteLength(JSON.stringify(numbered))
      channel.kept.push({ event: numbered, bytes, at: clock.now() })
      channel.bytes += bytes
      bytesInAll += bytes
      trim(channel)
      keepWithinBudget()
      for (const reader of channel.readers) reader.event(numbered)
    },
    subscribe(childId, resume, reader) {
      const channel = channelOf(childId)
      trim(channel)
      const firstKept = channel.seq - channel.kept.length + 1
      const recoverable = resume !== undefined && resume.epoch === channel.epoch && resume.seq <= channel.seq && resume.seq + 1 >= firstKept
      const missed = recoverable ? channel.kept.map((entry) => entry.event).filter((event) => event.seq > resume.seq) : undefined
      channel.readers.add(reader)
      reader.ready({ epoch: channel.epoch, seq: channel.seq }, missed)
      return () => channel.readers.delete(reader)
    },
    delivered: () => Promise.resolve(),
    forget,
    erase(childId) {
      forget(childId)
      erased.set(childId, clock.now())
    },
    sweep() {
      const oldest = clock.now() - KEPT_MS
      for (const [childId, at] of erased) if (at < oldest) erased.delete(childId)
      for (const [childId, channel] of channels) {
        trim(channel)
        if (channel.readers.size === 0 && channel.kept.length === 0) channels.delete(childId)
      }
    },
    begin(childId, seq) {
      drop(childId)
      open(childId, seq)
    },
    positionOf(childId) {
      const channel = channels.get(childId)
      return channel && { epoch: channel.epoch, seq: channel.seq }
    },
    drop,
    get listeners() {
      return [...channels].filter(([, channel]) => channel.readers.size > 0).map(([childId]) => childId)
    },
    connected: true,
    close: () => Promise.resolve(),
  }
}
