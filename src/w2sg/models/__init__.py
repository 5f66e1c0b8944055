"""w2sg.models"""
