/** A lesson that does not say what it needs. @module */
