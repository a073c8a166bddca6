import { PassThrough } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Data, data, Page, page, UuidParam } from '../../platform/http/envelope.ts'
import { readIdempotencyKey } from '../../platform/http/idempotency.ts'
import { errorBody, logRefusal, toAppError } from '../../platform/http/render-error.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import {
  ConversationsQuery,
  ConversationView,
  EndedView,
  HistoryQuery,
  MessageView,
  SendBody,
  StartBody,
  StartedView,
  TurnView,
  toConversationView,
  toEndedView,
  toMessageView,
  toTurnView,
} from './conversations.schemas.ts'
import type { ConversationsService } from './conversations.service.ts'
import type { EndingService } from './ending.service.ts'
import type { Said, Turn, TurnsService } from './turns.service.ts'

const tags = ['Conversations']
const ConversationParams = UuidParam('conversation_id')

/** Sections 4.1 to 4.4 of the learning contract. */
export function registerConversationRoutes(app: TypedApp, conversations: ConversationsService, turns: TurnsService, ending: EndingService): void {
  app.post(
    '/conversations',
    {
      config: { actor: 'child', limit: 'general', errors: ['NOT_FOUND', 'FORBIDDEN', 'TIME_LIMIT_REACHED', 'UNPROCESSABLE_ENTITY', 'CONFLICT'] },
      schema: {
        tags,
        summary: 'Start a conversation',
        description:
          "The tutor greets the child by name and offers three choices. A locked topic answers 422 with the way to it as child_message. A `brain_spark` opens with today's question, " +
          'and is what completes the spark.',
        body: StartBody,
        response: { 201: Data(StartedView) },
      },
    },
    async (request, reply) => {
      const { topic_id, conversation_type } = request.body
      const subject = { type: conversation_type, topicId: topic_id }
      const { conversationId, topic, opening, depth } = await conversations.start(request.child, request.operationId, subject)
      const view = { conversation_id: conversationId, topic: { id: topic.id, name: topic.name }, opening_message: toMessageView(opening), depth_level: depth }
      return reply.status(201).send(data(request, view))
    },
  )

  app.get(
    '/conversations',
    {
      config: { actor: 'child', limit: 'general' },
      schema: {
        tags,
        summary: "List a child's conversations",
        description: 'Newest first; `status=open` gives those that can be resumed. Conversations about restricted topics are left out.',
        querystring: ConversationsQuery,
        response: { 200: Page(ConversationView) },
      },
    },
    async (request) => {
      const { conversations: found, cursor } = await conversations.list(request.child, request.query)
      return page(request, found.map(toConversationView), cursor)
    },
  )

  app.post(
    '/conversations/:conversation_id/messages',
    {
      config: {
        actor: 'child',
        limit: 'messages',
        ownIdempotency: true,
        errors: ['INVALID_CHOICE', 'NOT_FOUND', 'FORBIDDEN', 'TIME_LIMIT_REACHED', 'UNPROCESSABLE_ENTITY', 'CONFLICT', 'SERVICE_UNAVAILABLE'],
      },
      schema: {
        tags,
        summary: 'Send a message: a choice or own words',
        description:
          'One turn. The answer carries the finished reply; sockets see it stream meanwhile. With `Accept: text/event-stream` this answer streams itself: events `message_chunk` ' +
          '(`{ chunk, chunk_index }`), then one `message_complete` with the same body as the JSON answer, or one `error`.\n\n' +
          'A choice is worth 1 point, an on-topic question 2, anything else 0; the depth is the largest d whose threshold (1, 3, 6, 9, 11, 13, 15, 17, 19, 21) the points reach.\n\n' +
          "One turn at a time: a second one answers 409. The child's message is stored before the tutor speaks; a turn cut off by a crash is resumed by sending it again, with the same " +
          'Idempotency-Key or the same words, after at most 15 seconds.',
        produces: ['application/json', 'text/event-stream'],
        params: ConversationParams,
        body: SendBody,
        response: { 201: Data(TurnView) },
      },
    },
    async (request, reply) => {
      const { choice_index, content } = request.body
      const said: Said = choice_index === undefined ? { content: content as string } : { choiceIndex: choice_index }
      const key = readIdempotencyKey(request.headers['idempotency-key'])
      const { conversation_id } = request.params
      if (request.headers.accept?.includes('text/event-stream'))
        return streamTurn(request, reply, (onChunk) => turns.send(request.child, conversation_id, said, key, onChunk))
      const turn = await turns.send(request.child, conversation_id, said, key)
      const result = await turn.result
      return markReplay(reply, turn)
        .status(201)
        .send(data(request, toTurnView(result)))
    },
  )

  app.post(
    '/conversations/:conversation_id/messages/:message_id/report',
    {
      config: { actor: 'child', limit: 'general', errors: ['NOT_FOUND', 'FORBIDDEN'] },
      schema: {
        tags,
        summary: 'Report a reply',
        description: 'For a child who finds a reply odd, scary or wrong. The parent sees it among the safety flags of the conversation. Again changes nothing.',
        params: z.strictObject({ conversation_id: z.uuid(), message_id: z.uuid() }),
        response: { 201: Data(z.object({ reported: z.literal(true) })) },
      },
    },
    async (request, reply) => {
      await conversations.report(request.child, request.params.conversation_id, request.params.message_id)
      return reply.status(201).send(data(request, { reported: true as const }))
    },
  )

  app.get(
    '/conversations/:conversation_id/messages',
    {
      config: { actor: 'child', limit: 'general', errors: ['NOT_FOUND', 'FORBIDDEN'] },
      schema: {
        tags,
        summary: 'Get the history of a conversation',
        description: 'The newest messages, oldest first inside the page; `meta.cursor` given as `before` gives the page before it.',
        params: ConversationParams,
        querystring: HistoryQuery,
        response: { 200: Page(MessageView) },
      },
    },
    async (request) => {
      const { messages, cursor } = await conversations.history(request.child, request.params.conversation_id, request.query.limit, request.query.before)
      return page(request, messages.map(toMessageView), cursor)
    },
  )

  app.post(
    '/conversations/:conversation_id/end',
    {
      config: { actor: 'child', limit: 'general', errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'] },
      schema: {
        tags,
        summary: 'End a conversation',
        description:
          'Stars: 5 x (depth reached - best depth already paid for the topic that day), at most 150 a day; `rewards_earned` repeats the badges of the turns. Ending again tells the same; 409 while a message is being answered. ' +
          'A conversation that nobody goes on with for 30 minutes is ended as of its last turn.',
        params: ConversationParams,
        response: { 200: Data(EndedView) },
      },
    },
    async (request) => data(request, toEndedView(await ending.end(request.child, request.params.conversation_id))),
  )
}

const markReplay = (reply: FastifyReply, turn: Turn): FastifyReply => (turn.replayed ? reply.header('idempotency-replayed', 'true') : reply)

/** Answers a turn as server-sent events. Refusals before the turn is accepted are ordinary errors. */
async function streamTurn(request: FastifyRequest, reply: FastifyReply, send: (onChunk: (chunk: string) => void) => Promise<Turn>): Promise<FastifyReply> {
  const stream = new PassThrough()
  const write = (event: string, value: unknown) => {
    if (!stream.destroyed) stream.write(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`)
  }
  let chunks = 0
  const turn = await send((chunk) => {
    write('message_chunk', { chunk, chunk_index: chunks })
    chunks += 1
  })
  void turn.result
    .then(
      (result) => write('message_complete', data(request, toTurnView(result))),
      (thrown: unknown) => {
        const error = toAppError(thrown)
        logRefusal(request, error)
        write('error', errorBody(error, request.id, true))
      },
    )
    .finally(() => stream.end())
  markReplay(reply, turn)
  return reply.status(201).header('cache-control', 'no-store').header('x-accel-buffering', 'no').type('text/event-stream; charset=utf-8').send(stream)
}
