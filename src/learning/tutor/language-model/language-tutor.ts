import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { AgeGroup } from '../../../family/age-groups.ts'
import { circuit } from '../../../platform/circuit.ts'
import { type Clock, SECOND } from '../../../platform/clock.ts'
import type { ReplyModerator } from '../../../safety/moderation/moderation.ts'
import type { Curriculum } from '../../curriculum/curriculum.ts'
import { SKILLS, type Skill } from '../../progress/growth.ts'
import type { Answer, BuiltinTutor } from '../builtin.ts'
import type { Retrieval } from '../retrieval.ts'
import type { Speaker, TutorEvent, TutorModel, TutorTurn } from '../tutor-model.ts'
import { type AttemptTimeouts, attempt, type Heard, nothingHeard, tokensOf } from './attempt.ts'
import { ModelFailure } from './failure.ts'
import { threeWaysOn } from './offered-ways.ts'
import type { Material, Prompt } from './prompt.ts'
import type { ChatMessage, LanguageModel } from './request.ts'
import { tokenBudget } from './tokens.ts'

export interface LanguageTutorDeps {
  /** Speaks when the model does not. */
  readonly builtin: BuiltinTutor
  readonly curriculum: Curriculum
  readonly retrieval: Retrieval
  readonly model: LanguageModel
  readonly prompt: Prompt
  readonly clock: Clock
  /** What it finds something in of the child's interests, as an address that a parent wrote there, the model is not told. */
  readonly moderateReply: ReplyModerator
  /** Hears of every attempt that failed. */
  readonly onFailure: (failure: ModelFailure) => void
}

export interface LanguageTutorOptions extends AttemptTimeouts {
  readonly tokensPerChildDay: number
  /** Of all children that this process serves, by the UTC day. */
  readonly tokensPerDay: number
  /** Until the first sentence, over all attempts: a child that waits longer looks away. */
  readonly firstSentenceMs: number
  readonly wholeReplyMs: number
  /** Further attempts, while nothing has been said. */
  readonly retries: number
  /** Before the first further attempt, half of it at least; doubles with each. */
  readonly retryDelayMs: number
  /** A provider that asks for a longer pause is not waited for. */
  readonly longestRetryDelayMs: number
  /** Attempts that fail in a row before the model is left alone for `restMs`. */
  readonly failuresToRest: number
  readonly restMs: number
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>
  readonly random: () => number
}

export const LANGUAGE_TUTOR_DEFAULTS: LanguageTutorOptions = {
  tokensPerChildDay: 60_000,
  tokensPerDay: 2_000_000,
  firstPieceMs: 8 * SECOND,
  betweenPiecesMs: 8 * SECOND,
  lastPieceMs: SECOND,
  firstSentenceMs: 15 * SECOND,
  wholeReplyMs: 45 * SECOND,
  retries: 2,
  retryDelayMs: 400,
  longestRetryDelayMs: 3 * SECOND,
  failuresToRest: 5,
  restMs: 30 * SECOND,
  wait: (ms, signal) => delay(ms, undefined, { signal }),
  random: Math.random,
}

/** Characters of a reply, somewhat more than the prompt asks for. */
const LONGEST_REPLY: Readonly<Record<AgeGroup, number>> = { wonder_cubs: 500, curious_explorers: 800, mind_masters: 1_200 }
const PASSAGES = 3
/** What a reply is expected to take, when the budgets are asked. */
const USUAL_TOKENS_OUT = 400
/** A model that was asked for JSON so often in a row and wrote none is from then on asked for plain text. */
const PROSE_TO_GIVE_UP_JSON = 2

/**
 * A language model behind the tutor's port. Each text is one whole sentence with the space behind it, the last perhaps
 * without an end mark. A model that fails before its first sentence is asked again, then the builtin tutor answers in the
 * same turn; one that fails later is left at its last whole sentence. Either way the reply ends with three choices and says
 * which model spoke. Throws only the reason of a signal that has aborted; the request is then aborted as well.
 *
 * `passage`, `answersSpark` and the points follow from what the builtin tutor understands, so that they do not depend on
 * who speaks. `onTopic` does too; only where the curriculum has no answer the model's `deepens` decides.
 */
export function languageTutor(deps: LanguageTutorDeps, overrides: Partial<LanguageTutorOptions> = {}): TutorModel {
  const { builtin, curriculum, retrieval, model, prompt, clock, moderateReply, onFailure } = deps
  const options = { ...LANGUAGE_TUTOR_DEFAULTS, ...overrides }
  const breaker = circuit(clock, { failures: options.failuresToRest, restMs: options.restMs })
  const budget = tokenBudget(clock, options.tokensPerDay)
  let knowsJson = true
  let proseInARow = 0

  function materialFor(turn: TutorTurn, answer: Answer): Material {
    const { ageGroup, topic, map, said } = turn
    const words = 'choice' in said ? said.choice.text : said.question
    const { passages } = retrieval.search(words, ageGroup, topic, (other) => !map.restricted.has(other.id))
    return {
      passages: [...new Set([...(answer.passage ? [answer.passage] : []), ...passages])].slice(0, PASSAGES),
      waysOn: builtin.waysOn(turn, answer),
      closed: curriculum.topics.filter((other) => map.restricted.has(other.id)),
    }
  }

  /** The sentences of the first attempt that says any. Ends when no more is to be had of the model; throws only when the turn is abandoned. */
  async function* listen(turn: TutorTurn, messagesFor: (isStructured: boolean) => ChatMessage[], signal: AbortSignal, heard: Heard): AsyncGenerator<string> {
    const limits = { longest: LONGEST_REPLY[turn.ageGroup], timeouts: options }
    let isStructured = knowsJson
    let failed = 0
    let isAdmitted = breaker.admits()
    while (isAdmitted) {
      try {
        for await (const sentence of attempt(model, { messages: messagesFor(isStructured), isStructured }, limits, signal, heard)) {
          knowsJson &&= isStructured
          yield sentence
        }
        breaker.succeeded()
        if (isStructured) proseInARow = 0
        return
      } catch (error) {
        if (!(error instanceof ModelFailure)) throw error
        if (error.rejectsForm && isStructured) {
          isStructured = false
          continue
        }
        onFailure(error)
        if (error.isWillful || (error.kind === 'length' && heard.said.length > 0)) breaker.succeeded()
        else breaker.failed(error.retryAfterMs)
        if (error.kind === 'prose') proseInARow += 1
        if (proseInARow >= PROSE_TO_GIVE_UP_JSON) isStructured = false
        failed += 1
        if (heard.said.length > 0 || !error.isPassing || failed > options.retries || !(await mayTryAgain(error, failed, signal))) return
        isAdmitted = breaker.admits()
      }
    }
  }

  /** Waits before a further attempt; false when there is no time for that. */
  async function mayTryAgain({ retryAfterMs }: ModelFailure, failed: number, signal: AbortSignal): Promise<boolean> {
    const backoff = options.retryDelayMs * 2 ** (failed - 1) * (0.5 + options.random() / 2)
    const ms = (retryAfterMs ?? 0) + backoff
    if (signal.aborted || ms > options.longestRetryDelayMs) return false
    return options.wait(ms, signal).then(
      () => !signal.aborted,
      () => false,
    )
  }

  async function* replyOfBuiltin(turn: TutorTurn, signal: AbortSignal, { usage }: Heard): AsyncGenerator<TutorEvent> {
    for await (const event of builtin.reply(turn, signal)) {
      yield 'text' in event || usage.tokensIn === 0 ? event : { ...event, signals: { ...event.signals, usage } }
    }
  }

  return {
    async *reply(turn, signal) {
      const answer = builtin.answer(turn)
      if (answer.isFixed) return yield* builtin.reply(turn, signal)
      const material = materialFor(turn, answer)
      const told = { ...turn, interests: turn.interests?.filter((interest) => moderateReply(interest).length === 0) }
      const messagesFor = (isStructured: boolean) => prompt.messages(told, material, isStructured)
      const expected = tokensOf(messagesFor(knowsJson)) + USUAL_TOKENS_OUT
      const reserved = (turn.tokensUsedToday ?? 0) + expected > options.tokensPerChildDay ? undefined : budget.reserve(expected)
      if (!reserved) return yield* builtin.reply(turn, signal)

      const startedAt = clock.now()
      const heard = nothingHeard()
      const speaker = (): Speaker => ({ model: model.name, promptVersion: prompt.version, latencyMs: clock.now() - startedAt, usage: heard.usage })
      const first = deadline(options.firstSentenceMs)
      const whole = deadline(options.wholeReplyMs)
      try {
        for await (const text of listen(turn, messagesFor, AbortSignal.any([signal, first.signal, whole.signal]), heard)) {
          first.clear()
          yield { text, by: speaker() }
        }
      } finally {
        first.clear()
        whole.clear()
        reserved.settle(heard.usage.tokensIn + heard.usage.tokensOut)
      }
      signal.throwIfAborted()
      if (heard.said.length === 0) return yield* replyOfBuiltin(turn, signal, heard)
      const { rest } = heard
      const deepens = typeof rest.deepens === 'boolean' ? rest.deepens : undefined
      const isChoice = 'choice' in turn.said
      yield {
        choices: threeWaysOn(rest.choices, material.waysOn, turn, answer, { curriculum, retrieval }),
        signals: {
          ...speaker(),
          onTopic: isChoice || answer.onTopic || deepens === true,
          passage: answer.passage,
          answersSpark: answer.answersSpark,
          deepens,
          evidence: isChoice ? [] : skillsIn(rest.evidence),
        },
      }
    },
  }
}

const skillsIn = (evidence: unknown): Skill[] => {
  const named = new Set(z.array(z.unknown()).catch([]).parse(evidence))
  return SKILLS.filter((skill) => named.has(skill))
}

/** A signal that aborts after so long unless it is cleared. */
function deadline(ms: number): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new ModelFailure('timeout')), ms)
  return { signal: controller.signal, clear: () => clearTimeout(timer) }
}
