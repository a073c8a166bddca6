import type { Redis } from 'ioredis'
import type { Clock } from '../../platform/clock.ts'
import { redisScript } from '../../platform/ephemeral/scripts.ts'
import { newId } from '../../platform/ids.ts'
import { ownerOf } from './family-stream.ts'
import { KEPT_BYTES, KEPT_EVENTS, KEPT_MS, type LiveEvent, type NumberedEvent, type Position } from './live-events.ts'

/** What an instance has yet to hand over, in the order of `number`, which is its own and goes on over all children. */
export interface Outgoing {
  readonly number: number
  readonly event: LiveEvent
  readonly json: string
}

/** What every instance with listeners hears. Without an event it tells that the numbering began anew. */
export interface Message {
  readonly epoch: string
  readonly seq: number
  readonly event: NumberedEvent | undefined
  /** Whose it is, and the publisher's own number of it. */
  readonly publisher: string
  readonly number: number
}

export interface Standing {
  readonly position: Position
  /** What came after the position asked for; undefined when that is not all at hand. */
  readonly missed: readonly NumberedEvent[] | undefined
}

/** The numbering outlives its events, so that who stays away longer is told so. */
const NUMBERING_MS = 2 * KEPT_MS
/** For how long an instance may try again to hand over the same events. */
const PUBLISHER_MS = KEPT_MS

// Everything of a child stands under one key: the numbering (a hash), and beside it each event under a key of its own, so
// that Redis itself lets no event live longer than it may. `bytes` counts those of all events so far, and each event tells
// how many there were before it: the difference is what is kept. A Redis that was restarted, or a replica in its place, may
// have gone back by some events, so that a numbering is good for one run of one server. The stream of a family has a key of its
// own, but those who listen to either count together: their set stands under the child's.
const NUMBERING = `
local key = KEYS[1]
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or 'unknown'
local numbering = redis.call('HMGET', key, 'epoch', 'seq', 'first', 'bytes', 'run')
local epoch, seq, first, bytes = numbering[1], tonumber(numbering[2]), tonumber(numbering[3]), tonumber(numbering[4])
local function clear()
  for n = first or 1, seq or 0 do redis.call('DEL', key .. ':' .. n) end
end
if epoch and numbering[5] ~= run then clear() epoch = false end
local function begin(fresh) if not epoch then epoch, seq, first, bytes = fresh, 0, 1, 0 end end
local function save()
  redis.call('HSET', key, 'epoch', epoch, 'seq', seq, 'first', first, 'bytes', bytes, 'run', run)
  redis.call('PEXPIRE', key, ${NUMBERING_MS})
end
local function trim(now)
  while first <= seq do
    local before, at = string.match(redis.call('GETRANGE', key .. ':' .. first, 0, 40), '^(%d+) (%d+) ')
    if before then
      if seq - first < ${KEPT_EVENTS} and bytes - before <= ${KEPT_BYTES} and now - at <= ${KEPT_MS} then return end
      redis.call('DEL', key .. ':' .. first)
    end
    first = first + 1
  end
end`

/** ARGV: epoch if there is none, now, publisher, then number and JSON of each event. Those handed over before are left out. */
const APPEND = `${NUMBERING}
if redis.call('EXISTS', key .. ':erased') == 1 then return { '', 0 } end
begin(ARGV[1])
local publisher = key .. ':by:' .. ARGV[3]
local last = tonumber(redis.call('GET', publisher) or 0)
for i = 4, #ARGV, 2 do
  if tonumber(ARGV[i]) > last then
    last = tonumber(ARGV[i])
    seq = seq + 1
    local json = string.sub(ARGV[i + 1], 1, -2) .. ',"seq":' .. seq .. '}'
    redis.call('SET', key .. ':' .. seq, bytes .. ' ' .. ARGV[2] .. ' ' .. json, 'PX', ${KEPT_MS})
    bytes = bytes + #json
    redis.call('PUBLISH', key, epoch .. ' ' .. ARGV[3] .. ' ' .. ARGV[i] .. ' ' .. json)
  end
end
redis.call('SET', publisher, last, 'PX', ${PUBLISHER_MS})
trim(tonumber(ARGV[2]))
save()
return { epoch, seq }`

/** ARGV: epoch if there is none, now, reader, its lease in ms, readers at most, and the position it has, if any. */
const READ = `${NUMBERING}
begin(ARGV[1])
trim(tonumber(ARGV[2]))
save()
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local readers = string.match(key, '^.-}') .. ':readers'
redis.call('ZREMRANGEBYSCORE', readers, '-inf', now)
if not redis.call('ZSCORE', readers, ARGV[3]) and redis.call('ZCARD', readers) >= tonumber(ARGV[5]) then return false end
redis.call('ZADD', readers, now + ARGV[4], ARGV[3])
redis.call('PEXPIRE', readers, ARGV[4])
local after = tonumber(ARGV[7])
if ARGV[6] ~= epoch or after > seq or after + 1 < first then return { epoch, seq, 0 } end
local standing = { epoch, seq, 1 }
for n = after + 1, seq do
  local event = redis.call('GET', key .. ':' .. n)
  if not event then return { epoch, seq, 0 } end
  standing[#standing + 1] = string.match(event, '^%d+ %d+ (.*)$')
end
return standing`

/**
 * ARGV: epoch and seq at which an instance left, the epoch and seq at which it comes back, another epoch if others went on
 * meanwhile, and the publisher. The others miss what it told meanwhile, and see it by the epoch.
 */
const REJOIN = `${NUMBERING}
local kept = epoch == ARGV[1] and seq == tonumber(ARGV[2])
clear()
epoch, seq, bytes = kept and ARGV[3] or ARGV[5], tonumber(ARGV[4]), 0
first = seq + 1
save()
redis.call('PUBLISH', key, epoch .. ' ' .. ARGV[6] .. ' 0 {"seq":' .. seq .. '}')
return kept and 1 or 0`

/** ARGV: 1 if the child is erased. */
const FORGET = `${NUMBERING}
clear()
if ARGV[1] == '1' then
  redis.call('DEL', key, key .. ':readers')
  redis.call('SET', key .. ':erased', 1, 'PX', ${KEPT_MS})
elseif epoch then
  first = seq + 1
  save()
end`

/** A child's numbering and events in Redis; every method rejects while it is away. Each is one step that nothing comes between. */
export interface SharedLiveStore {
  /** Identifies this instance. */
  readonly publisher: string
  /** Numbers events, keeps them and tells everybody; resolves with where the numbering then stands. May be repeated. */
  append(childId: string, events: readonly Outgoing[]): Promise<Position>
  /** Where a child's events stand, and what came after a position. It makes the reader one who counts, or keeps it so; 'full' when too many do. */
  read(childId: string, reader: string, after: Position | undefined): Promise<Standing | 'full'>
  /** The reader counts no more. */
  leave(childId: string, reader: string): Promise<void>
  /**
   * Goes on at `now`, which an instance reached alone since it left at `left`. False when it missed something meanwhile, or
   * nobody can know: then the numbering begins anew for the instance too.
   */
  rejoin(childId: string, left: Position | undefined, now: Position | undefined): Promise<boolean>
  forget(childId: string, erased: boolean): Promise<void>
  /** The pub/sub channel of a child, and the child of a channel. */
  channelOf(childId: string): string
  childOf(channel: string): string
}

export function sharedLiveStore(redis: Redis, clock: Clock, limits: { readonly maxReaders: number; readonly leaseMs: number }): SharedLiveStore {
  const publisher = newId()
  const append = redisScript(redis, 'liveAppend', APPEND)
  const read = redisScript(redis, 'liveRead', READ)
  const rejoin = redisScript(redis, 'liveRejoin', REJOIN)
  const forget = redisScript(redis, 'liveForget', FORGET)
  const tagOf = (childId: string) => `live:{${ownerOf(childId)}}`
  const keyOf = (childId: string) => tagOf(childId) + childId.slice(ownerOf(childId).length)
  const channelPrefix = `${redis.options.keyPrefix ?? ''}live:`
  return {
    publisher,
    async append(childId, events) {
      const flat = events.flatMap(({ number, json }) => [number, json])
      const [epoch, seq] = (await append([keyOf(childId)], newId(), clock.now(), publisher, ...flat)) as [string, number]
      return { epoch, seq }
    },
    async read(childId, reader, after) {
      const { maxReaders, leaseMs } = limits
      const answer = await read([keyOf(childId)], newId(), clock.now(), reader, leaseMs, maxReaders, after?.epoch ?? '', after?.seq ?? 0)
      if (answer === null) return 'full'
      const [epoch, seq, isWhole, ...events] = answer as [string, number, number, ...string[]]
      return { position: { epoch, seq }, missed: isWhole === 1 ? events.map((json) => JSON.parse(json)) : undefined }
    },
    async leave(childId, reader) {
      await redis.zrem(`${tagOf(childId)}:readers`, reader)
    },
    async rejoin(childId, left, now) {
      const kept = await rejoin([keyOf(childId)], left?.epoch ?? '', left?.seq ?? 0, now?.epoch ?? newId(), now?.seq ?? 0, newId(), publisher)
      return kept === 1
    },
    async forget(childId, erased) {
      await forget([keyOf(childId)], erased ? 1 : 0)
    },
    channelOf: (childId) => (redis.options.keyPrefix ?? '') + keyOf(childId),
    childOf: (channel) => channel.slice(channelPrefix.length).replace(/[{}]/g, ''),
  }
}

/** A message as it travels: epoch, publisher, number and JSON of the event, separated by spaces. */
export function messageOf(text: string): Message {
  const [epoch = '', publisher = '', number = ''] = text.split(' ', 3)
  const event = JSON.parse(text.slice(epoch.length + publisher.length + number.length + 3)) as NumberedEvent | { type?: undefined; seq: number }
  return { epoch, publisher, number: Number(number), seq: event.seq, event: event.type === undefined ? undefined : event }
}
