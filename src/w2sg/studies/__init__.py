"""w2sg.studies"""
