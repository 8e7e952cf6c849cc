"""The claims, chapter by chapter: {id: (chapter, the sentence with "#" for each number, the test of these numbers)}."""
