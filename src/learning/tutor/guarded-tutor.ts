import type { Category, ReplyModerator } from '../../safety/moderation/moderation.ts'
import type { ProviderModerator } from '../../safety/moderation/provider.ts'
import { cutFromReply, foundLate, isDisclosure, type LateFinding } from '../../safety/moderation/screening.ts'
import type { BuiltinTutor } from './builtin.ts'
import { nameRemover } from './language-model/child-name.ts'
import { gist } from './language-model/said.ts'
import type { ReplyEnd, Sentence, TutorChoice, TutorEvent, TutorModel, TutorSignals, TutorTurn } from './tutor-model.ts'

export interface GuardedTutorDeps {
  /** What is not trusted. */
  readonly model: TutorModel
  /** Speaks when the model must not. */
  readonly builtin: BuiltinTutor
  readonly moderateReply: ReplyModerator
  /** Whether a child's words in which the provider has found distress point at a caregiver. */
  readonly pointsAtCaregiver: (text: string) => boolean
  /** Judges too, where one is configured: the child's words before the model hears them, and what the model replies. */
  readonly provider: ProviderModerator | undefined
}

/** Before a sentence is judged, so much of what was said is put before it, a sentence at least: a phrase may run over several. */
const TAIL_CHARACTERS = 100

/**
 * Lets through of a model's reply only what has been judged and found harmless, sentence by sentence, each also together
 * with what was said just before. At the first that is not, or that could not be judged, the model is cut off and the builtin
 * tutor goes on: with its own reply when nothing has been said yet, otherwise with the ways on. Choices are judged one by
 * one. Throws the reason of a signal that has aborted.
 */
export function guardedTutor({ model, builtin, moderateReply, pointsAtCaregiver, provider }: GuardedTutorDeps): TutorModel {
  /** What the provider finds, where one is asked and there is something to judge; undefined when it could not say. */
  async function secondOpinion(text: string, signal: AbortSignal): Promise<readonly Category[] | undefined> {
    if (!provider || text.trim() === '') return []
    const found = await provider(text, signal).catch(() => undefined)
    signal.throwIfAborted()
    return found
  }

  /** What is wrong with a sentence; undefined when that could not be said. */
  async function judge(sentence: string, before: string, signal: AbortSignal): Promise<ReturnType<ReplyModerator> | undefined> {
    const alone = moderateReply(sentence)
    const found = alone.length > 0 || before === '' ? alone : moderateReply(before + sentence)
    return found.length > 0 ? found : secondOpinion(before + sentence, signal)
  }

  /** The end of a reply, with ways on of the curriculum in place of choices that are not harmless or could not be judged. */
  async function withHarmlessChoices(end: ReplyEnd, turn: TutorTurn, signal: AbortSignal): Promise<ReplyEnd> {
    const waysOn = builtin.waysOn(turn, builtin.answer(turn))
    const isOurs = ({ text }: TutorChoice) => waysOn.some((way) => way.text === text)
    const judged = end.choices.filter((choice) => !isOurs(choice)).map((choice) => ({ choice, found: moderateReply(choice.text) }))
    const passed = judged.filter(({ found }) => found.length === 0).map(({ choice }) => choice)
    const others = passed.length > 0 ? await secondOpinion(passed.map(({ text }) => text).join('\n'), signal) : []
    const kept = end.choices.filter((choice) => isOurs(choice) || (others?.length === 0 && passed.includes(choice)))
    if (kept.length === end.choices.length) return end
    const findings = cutFromReply([...judged.flatMap(({ found }) => found), ...(others ?? [])])
    return { choices: [...kept, ...waysOn.filter((way) => !isAmong(way, kept))].slice(0, end.choices.length), signals: { ...end.signals, findings } }
  }

  /** What is said in place of a sentence that was cut off: the builtin tutor's reply, or the end of what the model has begun. */
  async function* goOn(
    turn: TutorTurn,
    signal: AbortSignal,
    { by }: Sentence,
    findings: readonly LateFinding[],
    hasBegun: boolean,
  ): AsyncGenerator<TutorEvent> {
    if (!hasBegun) return yield* marked(builtin.reply(turn, signal), { findings, usage: by.usage })
    const { onTopic, answersSpark, ...answer } = builtin.answer(turn)
    const signals = { ...by, onTopic: 'choice' in turn.said || onTopic, answersSpark, findings, passage: undefined }
    yield { choices: builtin.waysOn(turn, { ...answer, onTopic, answersSpark, passage: undefined }), signals }
  }

  return {
    readsAlong: true,
    mayWithhold: (question) => provider !== undefined && pointsAtCaregiver(question),
    async *reply(turn, signal) {
      if (provider && 'question' in turn.said) {
        const { question } = turn.said
        const found = await secondOpinion(nameRemover(turn.childName)(question), signal)
        if (!found) return yield* builtin.reply(turn, signal)
        const { aside, findings } = foundLate(found, pointsAtCaregiver(question))
        if (aside) return yield* marked(builtin.aside(turn, aside), { findings })
      }
      const said: string[] = []
      let cut: { readonly sentence: Sentence; readonly findings: readonly LateFinding[] } | undefined
      for await (const event of model.reply(turn, signal)) {
        if (!('text' in event)) return yield await withHarmlessChoices(event, turn, signal)
        const found = event.isReviewed ? [] : await judge(event.text, tailOf(said), signal)
        if (found?.length !== 0) {
          cut = { sentence: event, findings: cutFromReply(found ?? []) }
          break
        }
        said.push(event.text)
        yield event
      }
      if (cut) yield* goOn(turn, signal, cut.sentence, cut.findings, said.length > 0)
    },
  }
}

async function* marked(events: AsyncIterable<TutorEvent>, marks: Partial<TutorSignals>): AsyncGenerator<TutorEvent> {
  const isWithheld = marks.findings?.some(isDisclosure) ?? false
  for await (const event of events) yield 'text' in event ? { ...event, isWithheld } : { ...event, signals: { ...event.signals, ...marks } }
}

/** The last sentence, and as many before it as are short together. */
function tailOf(said: readonly string[]): string {
  let tail = ''
  for (const sentence of said.toReversed()) {
    if (tail !== '' && tail.length + sentence.length > TAIL_CHARACTERS) break
    tail = sentence + tail
  }
  return tail
}

/** Whether a choice says what another one says, or leads where it leads. */
const isAmong = (choice: TutorChoice, others: readonly TutorChoice[]): boolean =>
  others.some(({ text, passage }) => gist(text) === gist(choice.text) || (passage !== undefined && passage === choice.passage))
