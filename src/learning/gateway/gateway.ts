import type { WebSocket } from 'ws'
import type { z } from 'zod'
import { requireChild } from '../../family/child-access.ts'
import { limitKey } from '../../family/doors.ts'
import type { Revocations } from '../../identity/revocations.ts'
import type { Caller, Tokens } from '../../identity/tokens.ts'
import { type Clock, SECOND } from '../../platform/clock.ts'
import type { Database } from '../../platform/db/database.ts'
import { AppError, type ErrorCode, type FieldFault, invalidField } from '../../platform/http/errors.ts'
import { unstorableField } from '../../platform/http/json-body.ts'
import { type RateLimits, tooManyRequests } from '../../platform/http/rate-limits.ts'
import { errorBody, toAppError } from '../../platform/http/render-error.ts'
import { newId } from '../../platform/ids.ts'
import { SendBody, toTurnView } from '../conversations/conversations.schemas.ts'
import type { TurnsService } from '../conversations/turns.service.ts'
import { AuthFrame, CLOSE, frameOf, MessageFrame } from './frames.ts'
import type { LiveEvents, Position } from './live-events.ts'

export interface GatewayOptions {
  /** How long a socket may stay silent before it must have authenticated. */
  readonly authTimeoutMs: number
  readonly heartbeatMs: number
  /** Unsent bytes after which a reader is too slow. */
  readonly slowReaderBytes: number
  readonly maxFramesPerMinute: number
  readonly maxSocketsPerChild: number
  readonly maxTurnsInFlight: number
  /** How often the time of the children who listen is looked at. */
  readonly watchMs: number
}

export const GATEWAY_DEFAULTS: GatewayOptions = {
  authTimeoutMs: 5 * SECOND,
  heartbeatMs: 30 * SECOND,
  slowReaderBytes: 1024 * 1024,
  maxFramesPerMinute: 240,
  maxSocketsPerChild: 10,
  maxTurnsInFlight: 4,
  watchMs: 5 * SECOND,
}

export interface GatewayDeps {
  readonly db: Database
  readonly clock: Clock
  readonly tokens: Tokens
  readonly revocations: Revocations
  readonly limits: RateLimits
  readonly turns: TurnsService
  readonly live: LiveEvents
  readonly options: GatewayOptions
  readonly onError: (error: unknown) => void
}

/** The WebSocket door: live events of one child out, turns in. It holds no rule of its own. */
export interface Gateway {
  accept(socket: WebSocket): void
  /** Nobody may speak for the child any more: ends its sockets and forgets what was told. */
  deny(childId: string): void
  /** Tells every socket to come back to another process. */
  close(): void
  readonly sockets: number
}

const MINUTE_MS = 60 * SECOND
/** How long a peer may take to answer the close frame of a server that goes down. */
const CLOSE_GRACE_MS = 2 * SECOND

export function openGateway(deps: GatewayDeps): Gateway {
  const connections = new Set<Connection>()
  const stopListening = deps.revocations.onRevoked((sessionId) => {
    for (const connection of connections) if (connection.caller?.sessionId === sessionId) connection.close(CLOSE.notAuthenticated, 'logged out')
  })
  const stopListeningForRestrictions = deps.revocations.onChildRestricted((childId) => deps.live.forget(childId))
  const deny = (childId: string) => {
    deps.live.erase(childId)
    for (const connection of connections) if (connection.childId === childId) connection.close(CLOSE.childDenied, 'child denied')
  }
  const stopListeningForChildren = deps.revocations.onChildDenied(deny)
  const heartbeat = setInterval(() => {
    for (const connection of connections) connection.beat()
    deps.live.sweep()
  }, deps.options.heartbeatMs)
  heartbeat.unref()
  let isClosed = false
  const listenersOf = (childId: string) => [...connections].filter((connection) => connection.childId === childId && connection.isListening).length

  return {
    accept(socket) {
      const connection = new Connection(socket, deps, listenersOf)
      connections.add(connection)
      socket.once('close', () => {
        connections.delete(connection)
        connection.cleanUp()
      })
      // Its request was under way when the others were told.
      if (isClosed) connection.close(CLOSE.restart, 'restart')
    },
    deny,
    close() {
      isClosed = true
      stopListening()
      stopListeningForChildren()
      stopListeningForRestrictions()
      clearInterval(heartbeat)
      for (const connection of connections) connection.close(CLOSE.restart, 'restart')
      setTimeout(() => {
        for (const connection of connections) connection.terminate()
      }, CLOSE_GRACE_MS).unref()
    },
    get sockets() {
      return connections.size
    },
  }
}

/** How a refusal that ends the socket is told. */
const CLOSE_OF: Partial<Record<ErrorCode, readonly [code: number, reason: string]>> = {
  CHILD_ACCESS_DENIED: [CLOSE.childDenied, 'child denied'],
  FORBIDDEN: [CLOSE.childDenied, 'child denied'],
  UNAUTHORIZED: [CLOSE.notAuthenticated, 'not authenticated'],
  TOKEN_EXPIRED: [CLOSE.notAuthenticated, 'token expired'],
}

/** One socket, from its auth frame to its end. */
class Connection {
  caller: Caller | undefined
  childId: string | undefined
  readonly #socket: WebSocket
  readonly #deps: GatewayDeps
  readonly #listenersOf: (childId: string) => number
  readonly #authTimer: NodeJS.Timeout
  #stopListening: (() => void) | undefined
  #authenticating = false
  #isReady = false
  #turnsInFlight = 0
  #frames = 0
  #framesSince: number
  #answeredLastBeat = true

  constructor(socket: WebSocket, deps: GatewayDeps, listenersOf: (childId: string) => number) {
    this.#socket = socket
    this.#deps = deps
    this.#listenersOf = listenersOf
    this.#framesSince = deps.clock.now()
    this.#authTimer = setTimeout(() => {
      // A client that hears 4401 forgets its token: not for a database that takes its time.
      if (this.#authenticating) this.close(CLOSE.tryAgainLater, 'try again later')
      else this.close(CLOSE.notAuthenticated, 'no auth frame')
    }, deps.options.authTimeoutMs)
    socket.on('error', () => {})
    socket.on('ping', () => this.#countFrame())
    socket.on('pong', () => {
      if (this.#answeredLastBeat) this.#countFrame()
      this.#answeredLastBeat = true
    })
    socket.on('message', (payload, isBinary) => {
      if (isBinary) this.close(CLOSE.malformed, 'binary frame')
      else void this.#receive(String(payload)).catch((error: unknown) => this.#fail(error))
    })
  }

  get isListening(): boolean {
    return this.caller !== undefined && this.#socket.readyState === this.#socket.OPEN
  }

  /** Ends a socket whose peer has gone or whose token has expired; asks the others for a sign of life. */
  beat(): void {
    if (!this.#answeredLastBeat) this.#socket.terminate()
    else if (!this.#endIfExpired()) {
      this.#answeredLastBeat = false
      this.#socket.ping()
    }
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#stopListening?.()
    this.#socket.close(code, reason)
  }

  terminate(): void {
    this.#socket.terminate()
  }

  cleanUp(): void {
    clearTimeout(this.#authTimer)
    this.#stopListening?.()
  }

  /** Ends a socket whose token has expired; it neither says nor hears anything more. */
  #endIfExpired(): boolean {
    if (this.caller === undefined || this.caller.expiresAt > this.#deps.clock.now()) return false
    this.close(CLOSE.notAuthenticated, 'token expired')
    return true
  }

  #send(frame: object): void {
    if (this.#socket.readyState !== this.#socket.OPEN || this.#endIfExpired()) return
    if (this.#socket.bufferedAmount > this.#deps.options.slowReaderBytes) {
      this.close(CLOSE.slowReader, 'slow reader')
      this.#socket.terminate()
      return
    }
    this.#socket.send(JSON.stringify(frame))
  }

  #fail(error: unknown): void {
    const { code, status } = toAppError(error)
    if (status >= 500) this.#deps.onError(error)
    const [closeCode, reason] = CLOSE_OF[code] ?? ([CLOSE.tryAgainLater, 'try again later'] as const)
    this.close(closeCode, reason)
  }

  async #receive(text: string): Promise<void> {
    this.#countFrame()
    if (this.#socket.readyState !== this.#socket.OPEN || this.#endIfExpired()) return
    const frame = frameOf(text)
    if (!frame) return this.close(CLOSE.malformed, 'not a frame')
    if (!this.#isReady) return this.#authenticate(frame)
    if (frame.type === 'message') return this.#takeTurn(frame)
    if (frame.type === 'ping') return this.#send({ type: 'pong' })
    this.close(CLOSE.malformed, 'unknown frame')
  }

  /** Ends a socket that sends too many frames of whatever kind. */
  #countFrame(): void {
    const now = this.#deps.clock.now()
    if (now - this.#framesSince >= MINUTE_MS) {
      this.#framesSince = now
      this.#frames = 0
    }
    this.#frames += 1
    if (this.#frames > this.#deps.options.maxFramesPerMinute) this.close(CLOSE.flood, 'too many frames')
  }

  async #authenticate(frame: object): Promise<void> {
    const parsed = AuthFrame.safeParse(frame)
    if (!parsed.success || this.#authenticating) return this.close(CLOSE.malformed, 'auth frame expected')
    this.#authenticating = true
    const { token, child_id, resume } = parsed.data
    const authorization = /^Bearer /i.test(token) ? token : `Bearer ${token}`
    const caller = this.#deps.tokens.authenticate(authorization)
    const named = child_id?.toLowerCase()
    if (caller.childId !== undefined && named !== undefined && named !== caller.childId) throw new AppError('FORBIDDEN')
    const childId = caller.childId ?? named
    if (childId === undefined) return this.close(CLOSE.malformed, 'child_id is missing')
    // From here on the socket is closed if the child is denied, also while the query below runs.
    this.childId = childId
    await requireChild(this.#deps.db, caller.accountId, childId, this.#deps.clock.now())
    // A logout during the query found no caller here yet.
    this.#deps.tokens.authenticate(authorization)
    if (this.#socket.readyState !== this.#socket.OPEN) return
    // No await from here to the line that makes this one a listener: those that come together are counted one by one.
    if (this.#listenersOf(childId) >= this.#deps.options.maxSocketsPerChild) return this.close(CLOSE.flood, 'too many sockets')
    clearTimeout(this.#authTimer)
    this.caller = caller
    this.#listen(childId, resume, caller.childId === undefined)
  }

  #listen(childId: string, resume: Position | undefined, isFamily: boolean): void {
    this.#stopListening = this.#deps.live.subscribe(childId, resume, {
      isFamily,
      ready: (position, missed) => {
        this.#isReady = true
        this.#send({ type: 'ready', ...position })
        if (!resume) return
        for (const event of missed ?? []) this.#send(event)
        this.#send({ type: 'resumed', recovered: missed !== undefined })
      },
      event: (event) => this.#send(event),
      renumbered: (position) => this.#send({ type: 'ready', ...position }),
      lost: () => this.close(CLOSE.restart, 'come back'),
      refused: () => this.close(CLOSE.flood, 'too many sockets'),
    })
  }

  /** A turn by socket: the same service, limit and checks as by REST; the answer comes as a frame to this socket alone. */
  async #takeTurn(frame: Record<string, unknown>): Promise<void> {
    const { conversation_id, idempotency_key } = frame
    const named = { ...(typeof conversation_id === 'string' && { conversation_id }), ...(typeof idempotency_key === 'string' && { idempotency_key }) }
    const requestId = newId()
    this.#turnsInFlight += 1
    try {
      const { turn, replayed } = await this.#carryOut(frame)
      // The answer stands behind the events it sums up.
      await this.#deps.live.delivered(this.childId as string)
      this.#send({ type: 'message_result', ...named, replayed, data: turn, meta: { request_id: requestId } })
    } catch (thrown) {
      const error = toAppError(thrown)
      if (error.code === 'CHILD_ACCESS_DENIED') throw error
      if (error.status >= 500) this.#deps.onError(thrown)
      this.#send({ type: 'error', ...named, ...errorBody(error, requestId, true) })
    } finally {
      this.#turnsInFlight -= 1
    }
  }

  async #carryOut(frame: Record<string, unknown>) {
    const { db, clock, limits, turns, options } = this.#deps
    const caller = this.caller as Caller
    const childId = this.childId as string
    const limit = await limits.take('messages', limitKey(caller, childId))
    if (limit.exceeded) throw tooManyRequests(limit, clock)
    if (this.#turnsInFlight > options.maxTurnsInFlight) throw new AppError('RATE_LIMITED', { retryAfter: 1, message: 'Too many messages are being answered' })
    const child = await requireChild(db, caller.accountId, childId, clock.now())
    const { type: _type, conversation_id, idempotency_key, ...body } = checked(MessageFrame, frame)
    const { choice_index, content } = checked(SendBody, body)
    const said = choice_index === undefined ? { content: content as string } : { choiceIndex: choice_index }
    const turn = await turns.send(child, conversation_id, said, idempotency_key)
    return { turn: toTurnView(await turn.result), replayed: turn.replayed }
  }
}

/** The fields of a frame; throws VALIDATION_ERROR that names the faulty ones. */
function checked<S extends z.ZodType>(schema: S, frame: unknown): z.infer<S> {
  const unstorable = unstorableField(frame)
  if (unstorable !== undefined) throw invalidField(unstorable, 'Contains a character that cannot be stored')
  const parsed = schema.safeParse(frame)
  if (parsed.success) return parsed.data
  const details: FieldFault[] = parsed.error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? { field: issue.keys[0] ?? 'frame', message: 'Unknown field' }
      : { field: issue.path.join('.') || 'frame', message: issue.message },
  )
  throw new AppError('VALIDATION_ERROR', { details })
}
