import { z } from 'zod'
import { MINUTE, SECOND } from '../../platform/clock.ts'
import { AppError } from '../../platform/http/errors.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { GATEWAY_DEFAULTS, type Gateway } from './gateway.ts'
import { KEPT_BYTES, KEPT_EVENTS, KEPT_MS } from './live-events.ts'

const { maxSocketsPerChild, maxFramesPerMinute, maxTurnsInFlight, heartbeatMs } = GATEWAY_DEFAULTS

const description = `Section 10 of the contract. Upgrade to a WebSocket, then within five seconds send

\`{ "type": "auth", "token": "Bearer ...", "child_id": "..." }\` (\`child_id\` is needless with a child token).

The server answers \`{ "type": "ready", "epoch", "seq" }\` and from then on sends the child's events, each with the next \`seq\`: \`typing\`, \`message_chunk\`, \`message_complete\`, \`reward_earned\`, \`time_warning\` (at five and at one minute) and \`session_end\` (\`reason\`: \`time_limit\`, \`bedtime\` or \`paused\`; the socket stays open, turns are refused).

**Coming back.** \`"resume": { "epoch", "seq" }\` in the auth frame, with the last \`seq\` seen, replays what was missed and then sends \`{ "type": "resumed", "recovered": true }\`; \`false\` when it is not at hand any more: fetch the history instead. Every instance of the server gives the same. Parent tokens and child tokens have each a numbering of their own: come back with the kind you were there with. A \`ready\` that comes on an open socket tells that nothing was missed but its \`epoch\` is the one to come back with from then on.

**Talking.** \`{ "type": "message", "conversation_id", "content" | "choice_index", "idempotency_key" }\` is the turn of \`POST /v1/conversations/{conversation_id}/messages\`. This socket alone gets \`{ "type": "message_result", "conversation_id", "idempotency_key", "replayed", "data", "meta" }\` with the same \`data\`, or \`{ "type": "error", "conversation_id", "idempotency_key", "error" }\`. \`{ "type": "ping" }\` is answered by \`{ "type": "pong" }\`.

**What is not told.** A turn that is not shown to the family is told to the sockets of child tokens alone; who took it by a parent's token gets its answer, and no events.

**Limits.** ${maxSocketsPerChild} sockets for each child, ${maxFramesPerMinute} frames a minute and ${maxTurnsInFlight} turns at a time on each. A socket that leaves a ping of the server unanswered until the next, ${heartbeatMs / SECOND} seconds later, is ended. What was missed is kept for ${KEPT_MS / MINUTE} minutes, up to ${KEPT_EVENTS} events or ${KEPT_BYTES / 1024} KiB.

**Close codes.** 4400 malformed, 4401 not authenticated or logged out, 4403 child denied, 4408 slow reader, 4429 flood or too many sockets, 1009 frame over 16 KiB, 1012 come back (the server restarts, or something was missed: resume and be told), 1013 try again later.

Also at \`/ws\`.`

/** The WebSocket door. */
export function registerGatewayRoutes(app: TypedApp, gateway: Gateway, path: string): void {
  app.route({
    method: 'GET',
    url: path,
    config: { actor: 'public', limit: 'general' },
    schema: {
      tags: ['Live'],
      summary: 'Live events and turns by WebSocket',
      description,
      response: { 101: z.undefined().meta({ description: 'Switching to the WebSocket protocol' }) },
      hide: app.prefix === '',
    },
    handler: (_request, reply) => {
      reply.header('upgrade', 'websocket').header('sec-websocket-version', '13')
      throw new AppError('VALIDATION_ERROR', { status: 426, message: 'Upgrade to a WebSocket' })
    },
    wsHandler: (socket) => gateway.accept(socket),
  })
}
