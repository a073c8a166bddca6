import type { ReplyModerator } from '../../safety/moderation/moderation.ts'
import type { ProviderModerator } from '../../safety/moderation/provider.ts'
import { cutFromReply, foundLate, type LateFinding } from '../../safety/moderation/screening.ts'
import type { BuiltinTutor } from './builtin.ts'
import type { TutorChoice, TutorEvent, TutorModel, TutorSignals, TutorTurn } from './tutor-model.ts'

export interface GuardedTutorDeps {
  /** What is not trusted. */
  readonly model: TutorModel
  readonly modelName: string
  /** Speaks when the model must not. */
  readonly builtin: BuiltinTutor
  readonly moderateReply: ReplyModerator
  /** Judges too, where one is configured: the child's words before the model hears them, and each sentence of the reply. */
  readonly provider: ProviderModerator | undefined
}

/**
 * Lets through of a model's reply only what has been judged and found harmless, sentence by sentence, each also together
 * with the one before. At the first that is not, or that could not be judged, the model is cut off and the builtin tutor
 * goes on: with its own reply when nothing has been said yet, otherwise with the ways on. Choices are judged one by one.
 */
export function guardedTutor({ model, modelName, builtin, moderateReply, provider }: GuardedTutorDeps): TutorModel {
  /** What is wrong with a sentence; undefined when the provider could not say. */
  async function judge(sentence: string, before: string, signal: AbortSignal): Promise<ReturnType<ReplyModerator> | undefined> {
    const alone = moderateReply(sentence)
    const found = alone.length > 0 || before === '' ? alone : moderateReply(before + sentence)
    if (found.length > 0 || !provider) return found
    return provider(sentence, signal).catch(() => undefined)
  }

  function harmless(choices: readonly TutorChoice[], turn: TutorTurn): readonly TutorChoice[] {
    const kept = choices.filter((choice) => moderateReply(choice.text).length === 0)
    if (kept.length === choices.length) return choices
    const texts = new Set(kept.map((choice) => choice.text))
    return [...kept, ...builtin.waysOn(turn, builtin.answer(turn)).filter((choice) => !texts.has(choice.text))].slice(0, choices.length)
  }

  async function* marked(events: AsyncIterable<TutorEvent>, findings: readonly LateFinding[]): AsyncGenerator<TutorEvent> {
    for await (const event of events) yield 'text' in event ? event : { ...event, signals: { ...event.signals, findings } }
  }

  return {
    readsAlong: true,
    async *reply(turn, signal) {
      if (provider && 'question' in turn.said) {
        const found = await provider(turn.said.question, signal).catch(() => undefined)
        if (found === undefined) return yield* builtin.reply(turn, signal)
        const { aside, findings } = foundLate(found)
        if (aside) return yield* marked(builtin.aside(turn, aside), findings)
      }
      const cut = new AbortController()
      let before = ''
      try {
        for await (const event of model.reply(turn, AbortSignal.any([signal, cut.signal]))) {
          if (!('text' in event)) {
            yield { ...event, choices: harmless(event.choices, turn) }
            return
          }
          const found = await judge(event.text, before, signal)
          if (found?.length === 0) {
            before = event.text
            yield event
            continue
          }
          const findings = cutFromReply(found ?? [])
          if (before === '') return yield* marked(builtin.reply(turn, signal), findings)
          return yield endOf(turn, findings)
        }
      } finally {
        cut.abort()
      }
    },
  }

  /** The end of a reply that was cut off after its first sentences. */
  function endOf(turn: TutorTurn, findings: readonly LateFinding[]): TutorEvent {
    const answer = builtin.answer(turn)
    const signals: TutorSignals = { onTopic: answer.onTopic, passage: undefined, model: modelName, findings }
    return { choices: builtin.waysOn(turn, { ...answer, passage: undefined }), signals }
  }
}
