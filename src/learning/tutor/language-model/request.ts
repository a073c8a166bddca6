import { APIConnectionError, APIError, type OpenAI } from 'openai'
import type { ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions'
import { Stream } from 'openai/streaming'
import { z } from 'zod'
import type { Clock } from '../../../platform/clock.ts'
import { openaiClient } from '../../../platform/http/openai-client.ts'
import { retryAfterMs } from '../../../platform/http/retry-after.ts'
import { SKILLS } from '../../progress/growth.ts'
import type { TokenUsage } from '../tutor-model.ts'
import { ModelFailure } from './failure.ts'

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ChatRequest {
  readonly messages: readonly ChatMessage[]
  /** As JSON by our schema, or as plain text. */
  readonly isStructured: boolean
}

/** What a model says, piece by piece; `finish` is the provider's word for why it stopped. */
export type ChatPiece = { readonly text: string } | { readonly refusal: string } | { readonly finish: string } | { readonly usage: TokenUsage }

export interface LanguageModel {
  readonly name: string
  /** Throws ModelFailure, or the signal's reason once that has aborted; the request is then aborted as well. */
  speak(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatPiece>
}

export interface LanguageModelAccess {
  readonly apiKey: string
  readonly baseUrl: string
  readonly model: string
}

/** A reply takes some 400; what a model thinks to itself counts too. */
const MOST_TOKENS_OUT = 1_500
/** An answer is read no further than this. A token of a reply takes some 300 bytes of the stream. */
const MOST_BYTES = 1_048_576

/** The fields in the order they are written: the child reads the content while the rest is still to come. */
const REPLY_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['content', 'choices', 'deepens', 'evidence'],
  properties: {
    content: { type: 'string' },
    choices: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['text', 'icon'],
        properties: { text: { type: 'string' }, icon: { type: 'string' } },
      },
    },
    deepens: { type: 'boolean' },
    evidence: { type: 'array', items: { type: 'string', enum: [...SKILLS] } },
  },
}

const Said = z.object({ content: z.string().nullish(), refusal: z.string().nullish() })
const Chunk = z.object({
  choices: z.array(z.object({ delta: Said.nullish(), message: Said.nullish(), finish_reason: z.string().nullish() })).nullish(),
  usage: z
    .object({ prompt_tokens: z.int().min(0).max(10_000_000), completion_tokens: z.int().min(0).max(10_000_000) })
    .nullish()
    .catch(undefined),
})

/** Refusals that speak of what is in a request, whatever its form. */
const REFUSED_FOR_WHAT_IT_SAYS = new Set(['content_filter', 'content_policy_violation', 'context_length_exceeded', 'model_not_found'])
const REFUSED_FOR_ITS_FORM = new Set([400, 404, 415, 422, 501])

/** A model behind an API of OpenAI's kind. */
export function openLanguageModel(access: LanguageModelAccess, clock: Clock): LanguageModel {
  const { model } = access
  const client = openaiClient(access, { mostBytes: MOST_BYTES, tooMuch: () => new ModelFailure('garbage') })

  return {
    name: model,
    async *speak(request, signal) {
      const ours = new AbortController()
      try {
        const asked = client.chat.completions.create(paramsOf(model, request), { signal: AbortSignal.any([signal, ours.signal]) })
        for await (const chunk of chunksOf(await asked.asResponse(), ours, client)) yield* piecesOf(chunk)
        signal.throwIfAborted()
      } catch (error) {
        signal.throwIfAborted()
        throw failureOf(error, clock)
      } finally {
        ours.abort()
      }
    },
  }
}

/** Servers that know no schema are asked as plainly as can be. */
function paramsOf(model: string, { messages, isStructured }: ChatRequest): ChatCompletionCreateParamsStreaming {
  const common = { model, messages: [...messages], stream: true as const }
  if (!isStructured) return { ...common, max_tokens: MOST_TOKENS_OUT }
  return {
    ...common,
    stream_options: { include_usage: true },
    max_completion_tokens: MOST_TOKENS_OUT,
    response_format: { type: 'json_schema', json_schema: { name: 'tutor_reply', strict: true, schema: REPLY_SCHEMA } },
  }
}

/** The chunks of a streamed answer; one chunk from servers that answer all at once. */
async function* chunksOf(response: Response, controller: AbortController, client: OpenAI): AsyncGenerator<unknown> {
  if (response.headers.get('content-type')?.includes('application/json')) yield await response.json()
  else yield* Stream.fromSSEResponse<unknown>(response, controller, client)
}

function* piecesOf(chunk: unknown): Generator<ChatPiece> {
  const parsed = Chunk.safeParse(chunk)
  if (!parsed.success) throw new ModelFailure('garbage')
  const { choices, usage } = parsed.data
  const choice = choices?.[0]
  const said = choice?.delta ?? choice?.message
  if (said?.content) yield { text: said.content }
  if (said?.refusal) yield { refusal: said.refusal }
  if (choice?.finish_reason) yield { finish: choice.finish_reason }
  // No request is empty: who counts nothing does not count.
  if (usage?.prompt_tokens) yield { usage: { tokensIn: usage.prompt_tokens, tokensOut: usage.completion_tokens } }
}

function failureOf(error: unknown, clock: Clock): ModelFailure {
  if (error instanceof ModelFailure) return error
  if (error instanceof APIConnectionError) return new ModelFailure('connection')
  if (!(error instanceof APIError) || error.status === undefined) return new ModelFailure(error instanceof SyntaxError ? 'garbage' : 'cut')
  const { status, code, headers } = error
  const rejectsForm = REFUSED_FOR_ITS_FORM.has(status) && !REFUSED_FOR_WHAT_IT_SAYS.has(String(code))
  return new ModelFailure('status', { status, rejectsForm, retryAfterMs: retryAfterMs(headers, clock) })
}
