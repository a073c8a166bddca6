import type { TokenUsage } from '../tutor-model.ts'
import { ModelFailure } from './failure.ts'
import { plainReader, type ReplyReader, structuredReader } from './reply-reader.ts'
import type { ChatPiece, ChatRequest, LanguageModel } from './request.ts'
import { cleaned, gist, isSpeakable } from './said.ts'
import { sentenceSplitter } from './sentences.ts'
import { tokensIn } from './tokens.ts'

/** What has come of a reply so far. */
export interface Heard {
  /** Sentences that the child has been given. */
  readonly said: string[]
  /** What else the model wrote; nothing of it has been checked. */
  rest: ReplyReader['rest']
  /** Of all attempts, up to now; estimated where the provider does not tell. */
  usage: TokenUsage
}

export interface AttemptTimeouts {
  /** Until the provider begins to answer. */
  readonly firstPieceMs: number
  readonly betweenPiecesMs: number
  /** Until it tells what the reply has cost, when all else is there. */
  readonly lastPieceMs: number
}

export const nothingHeard = (): Heard => ({ said: [], rest: {}, usage: { tokensIn: 0, tokensOut: 0 } })

/**
 * Asks once. Yields whole sentences with the space behind them, each as soon as it has come, `longest` characters together
 * at most, and books what it hears in `heard`. Throws ModelFailure, or the signal's reason when that is something else.
 */
export async function* attempt(
  model: LanguageModel,
  request: ChatRequest,
  { longest, timeouts }: { readonly longest: number; readonly timeouts: AttemptTimeouts },
  signal: AbortSignal,
  heard: Heard,
): AsyncGenerator<string> {
  const reader = request.isStructured ? structuredReader() : plainReader()
  const splitter = sentenceSplitter()
  const usedBefore = heard.usage
  const meter = { usage: undefined as TokenUsage | undefined, received: '' }
  let room = longest - heard.said.join('').length
  let finish: string | undefined
  let failure: ModelFailure | undefined
  const hasContent = () => reader.hasContent(finish !== undefined && finish !== 'length')
  heard.rest = reader.rest
  heard.usage = sum(usedBefore, estimate(request, ''))

  function* say(sentences: readonly string[]): Generator<string> {
    for (const text of sentences) {
      const sentence = cleaned(text)
      if (sentence.trim() === '' || heard.said.some((earlier) => gist(earlier) === gist(sentence))) continue
      if (!isSpeakable(sentence)) throw new ModelFailure('garbage')
      room -= sentence.length
      if (room < 0) return
      heard.said.push(sentence)
      yield sentence
    }
  }

  try {
    for await (const piece of piecesOf(model, request, timeouts, signal, () => finish !== undefined || reader.isWhole)) {
      if ('text' in piece) meter.received += piece.text
      if ('usage' in piece) meter.usage = piece.usage
      heard.usage = sum(usedBefore, meter.usage ?? estimate(request, meter.received))
      if ('text' in piece) yield* say(splitter.push(reader.push(piece.text)))
      if ('finish' in piece) finish = piece.finish
      if ('refusal' in piece) throw new ModelFailure('refusal')
      if (finish === 'content_filter') throw new ModelFailure('filtered')
      if (hasContent()) yield* say(splitter.end(false))
    }
  } catch (error) {
    if (isRefusedUnread(error) && meter.received === '') heard.usage = usedBefore
    if (!(error instanceof ModelFailure)) throw error
    failure = error
  }
  if (!failure && !hasContent()) failure = new ModelFailure(finish === 'length' ? 'length' : finish === undefined ? 'cut' : 'garbage')
  if (failure && failure.kind !== 'garbage' && heard.said.length > 0) yield* say(splitter.end(true))
  if (heard.said.length === 0) failure ??= new ModelFailure('garbage')
  if (failure) throw failure
}

/** What the model says, unless it is silent for too long. When all there is to hear is there, its silence is no failure. */
async function* piecesOf(
  model: LanguageModel,
  request: ChatRequest,
  timeouts: AttemptTimeouts,
  signal: AbortSignal,
  isOver: () => boolean,
): AsyncGenerator<ChatPiece> {
  const quiet = new AbortController()
  const within = (ms: number) => setTimeout(() => quiet.abort(new ModelFailure('timeout')), ms)
  let timer = within(timeouts.firstPieceMs)
  try {
    for await (const piece of model.speak(request, AbortSignal.any([signal, quiet.signal]))) {
      clearTimeout(timer)
      yield piece
      timer = within(isOver() ? timeouts.lastPieceMs : timeouts.betweenPiecesMs)
    }
  } catch (error) {
    if (signal.aborted || !isOver()) throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Whether the provider surely charges nothing. One that is silent may have read all of the request. */
const isRefusedUnread = (error: unknown): boolean => error instanceof ModelFailure && (error.kind === 'status' || error.kind === 'connection')

function estimate({ messages }: ChatRequest, received: string): TokenUsage {
  return { tokensIn: tokensOf(messages), tokensOut: tokensIn(received) }
}

/** About how many tokens a request is. */
export const tokensOf = (messages: ChatRequest['messages']): number => messages.reduce((tokens, { content }) => tokens + tokensIn(content), 0)

const sum = (a: TokenUsage, b: TokenUsage): TokenUsage => ({ tokensIn: a.tokensIn + b.tokensIn, tokensOut: a.tokensOut + b.tokensOut })
