"""How the tagger's model is made: text generator, word lists, trainer. Not part of the installed package."""
