import type { LiveEvent, LiveEvents } from '../gateway/live-events.ts'
import type { BegunTurn } from './turns.store.ts'

/**
 * What those who listen to a child hear of one turn. The family hears nothing of one that is withheld from it; while that may
 * yet come out, it hears nothing either.
 */
export function liveTurn(live: LiveEvents, childId: string, conversationId: string, begun: Pick<BegunTurn, 'isWithheld' | 'mayBeWithheld'>) {
  let { isWithheld } = begun
  let familyHears = !isWithheld && !begun.mayBeWithheld
  const typing = (isTyping: boolean): LiveEvent => ({ type: 'typing', conversation_id: conversationId, is_typing: isTyping })
  return {
    begin() {
      live.publish(childId, typing(true), familyHears ? 'everyone' : 'child')
    },

    /** Says what has come out by now; once withheld, the turn stays so. */
    judged(found: boolean) {
      isWithheld ||= found
      if (isWithheld || familyHears) return
      familyHears = true
      live.publish(childId, typing(true), 'family')
    },

    tell(event: LiveEvent) {
      live.publish(childId, event, isWithheld ? 'child' : 'everyone')
    },

    end() {
      live.publish(childId, typing(false), familyHears ? 'everyone' : 'child')
    },
  }
}
